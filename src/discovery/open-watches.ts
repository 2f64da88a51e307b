/**
 * Which watches has a registry to end when it is closed? Those that its callers have not ended themselves.
 */
import type { Watch } from './registry.ts';

/** The open watches of one registry. */
export class OpenWatches {
  private readonly watches = new Set<Watch>();

  /** Keeps `watch` until it is closed; to be handed to the caller in its place. */
  keep(watch: Watch): Watch {
    this.watches.add(watch);
    return {
      close: () => {
        watch.close();
        this.watches.delete(watch);
      },
    };
  }

  /** Ends all of them. */
  close(): void {
    for (const watch of this.watches) watch.close();
    this.watches.clear();
  }
}
