/**
 * What does a check of one document report? Problems, which refuse the configuration, and warnings, which do not.
 */
import type { DocumentPath } from './document-path.ts';

/** Where the findings about one document go. */
export interface Findings {
  /** A message that is costly to word is a function, called if it is told. */
  problem(path: DocumentPath, message: string | (() => string)): void;
  warning(path: DocumentPath, message: string): void;
}
