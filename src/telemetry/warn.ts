/**
 * How is an operator told of something that needs mending, when nobody subscribes to anything? As a Node does it: by a
 * process warning, which goes to stderr unless the process handles it.
 */

/** The `name` of the mesh's warnings, for `process.on('warning')`. */
export const warningName = 'InmeshWarning';

/** Emits a process warning. */
export function warn(message: string): void {
  process.emitWarning(message, warningName);
}
