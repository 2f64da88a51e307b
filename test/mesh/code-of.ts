import { meshErrorOf } from '../../src/core/errors.ts';

/** The code of an error of the mesh, also below fetch's; any other error as text. */
export function codeOf(error: unknown): string {
  return meshErrorOf(error)?.code ?? String(error);
}
