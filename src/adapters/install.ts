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
  /**
   * Hosts that the mesh does not know: `pass` (default), as before and without headers of the mesh; or `refuse`, unless
   * the document allows any host.
   */
  unknown?: 'pass' | 'refuse';
}

type Options = Parameters<MeshDispatcher['dispatch']>[0];

/** A global dispatcher, which passes what is not of the mesh to the one that it took the place of. */
class InstalledDispatcher extends MeshDispatcher {
  private former: Dispatcher;
  private retired = false;

  constructor(engine: MeshEngine, former: Dispatcher, passUnknown: boolean) {
    super(engine, undefined, passUnknown);
    this.former = former;
  }

  override dispatch(options: Options, given: Dispatcher.DispatchHandler): boolean {
    return this.retired ? this.passOn(options, given) : super.dispatch(options, given);
  }

  /**
   * From now on everything is passed: somebody who was installed later still sends here.
   *
   * @returns what takes its place.
   */
  retire(): Dispatcher {
    this.retired = true;
    return this.living();
  }

  protected override passOn(options: Options, given: Dispatcher.DispatchHandler): boolean {
    return this.living().dispatch(options, given);
  }

  /** The former dispatcher, past those that were uninstalled since. */
  private living(): Dispatcher {
    while (this.former instanceof InstalledDispatcher && this.former.retired) this.former = this.former.former;
    return this.former;
  }
}

/**
 * Makes the mesh the global dispatcher.
 *
 * @returns restores the former one. When somebody else has set another since, that one stays, and what it sends to the
 * mesh is passed to the former one.
 * @throws MeshError `INMESH_OPTION`.
 */
export function install(engine: MeshEngine, options: InstallOptions): () => void {
  const { unknown = 'pass' } = options;
  if (unknown !== 'pass' && unknown !== 'refuse') {
    throw new MeshError('INMESH_OPTION', `option unknown is ${String(unknown)}; allowed are pass, refuse`);
  }
  const former = (getGlobalDispatcher() as Dispatcher | undefined) ?? new Agent();
  const formerOfPlatform = (platformDispatcher() as Dispatcher | undefined) ?? former;
  const passUnknown = unknown === 'pass';
  const installed = new InstalledDispatcher(engine, former, passUnknown);
  setGlobalDispatcher(installed);
  // Apart from the other, so that what passes goes on as before: with the undici that is inside Node.
  const installedOfPlatform = new InstalledDispatcher(engine, formerOfPlatform, passUnknown);
  setPlatformDispatcher(installedOfPlatform);
  return () => {
    const ofPlatform = platformDispatcher();
    const before = installed.retire();
    const beforeOfPlatform = installedOfPlatform.retire();
    if (getGlobalDispatcher() === installed) setGlobalDispatcher(before);
    setPlatformDispatcher(ofPlatform === installedOfPlatform ? beforeOfPlatform : ofPlatform);
  };
}
