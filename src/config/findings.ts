/**
 * What does a check of one document report? Problems, which refuse the configuration, and warnings, which do not.
 */
import type { DocumentPath } from './document-path.ts';

/** Where the findings about one document go. */
export interface Findings {
  problem(path: DocumentPath, message: string): void;
  warning(path: DocumentPath, message: string): void;
}
