/**
 * How does a whole process get into the mesh without a change of its code? By undici's global dispatcher: built-in
 * fetch and every copy of undici ask it.
 */
import { Agent, type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { MeshError } from '../core/errors.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import { MeshDispatcher } from './dispatcher.ts';

/** Options of `mesh.install`. */
export interface InstallOptions {
  /** Hosts that the mesh does not know: `pass` (default), as before and without headers of the mesh; or `refuse`. */
  unknown?: 'pass' | 'refuse';
}

/**
 * Makes the mesh the global dispatcher.
 *
 * @returns restores the former one; does nothing when somebody else has set another since.
 * @throws MeshError `INMESH_OPTION`.
 */
export function install(engine: MeshEngine, { unknown = 'pass' }: InstallOptions): () => void {
  if (unknown !== 'pass' && unknown !== 'refuse') {
    throw new MeshError('INMESH_OPTION', `option unknown is ${String(unknown)}; allowed are pass, refuse`);
  }
  const former = getGlobalDispatcher() as Dispatcher | undefined;
  const installed = new MeshDispatcher(engine, undefined, unknown === 'pass' ? (former ?? new Agent()) : undefined);
  setGlobalDispatcher(installed);
  return () => {
    if (getGlobalDispatcher() === installed) setGlobalDispatcher(former ?? new Agent());
  };
}
