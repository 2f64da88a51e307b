/**
 * What holds for a service that no document names? What a document would get that says nothing but its host.
 */
import { compileService } from './compile-service.ts';
import type { ServiceConfig } from './mesh-config.ts';

/** The configuration of `host` with all defaults. */
export function defaultService(host: string): ServiceConfig {
  return compileService({ host });
}
