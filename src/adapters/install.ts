/**
 * How does a whole process get into the mesh without a change of its code? By the two global dispatchers: built-in fetch
 * and every copy of undici ask one of them.
 */
import type { Dispatcher } from 'undici';
import { MeshError } from '../core/errors.ts';
import { platformDispatcher, setPlatformDispatcher } from '../core/platform-dispatcher.ts';
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from '../core/undici.ts';
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
  const former = (getGlobalDispatcher() as Dispatcher | undefined) ?? new Agent();
  const formerOfPlatform = (platformDispatcher() as Dispatcher | undefined) ?? former;
  const into = (before: Dispatcher) => new MeshDispatcher(engine, undefined, unknown === 'pass' ? before : undefined);
  const installed = into(former);
  setGlobalDispatcher(installed);
  // Apart from the other, so that what passes goes on as before: with the undici that is inside Node.
  const installedOfPlatform = into(formerOfPlatform);
  setPlatformDispatcher(installedOfPlatform);
  return () => {
    const ofPlatform = platformDispatcher();
    if (getGlobalDispatcher() === installed) setGlobalDispatcher(former);
    setPlatformDispatcher(ofPlatform === installedOfPlatform ? formerOfPlatform : ofPlatform);
  };
}
