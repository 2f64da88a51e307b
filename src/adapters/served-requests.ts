/**
 * Which inbound requests are being served? A mesh that drains lets them finish: the calls that they still have to make
 * go through it.
 */
import type { ServerResponse } from 'node:http';

/** The inbound requests that have no whole answer yet. */
export class ServedRequests {
  private count = 0;
  private onIdle: (() => void) | undefined = undefined;

  /** How many there are. */
  get size(): number {
    return this.count;
  }

  /** A request has come in. */
  add(answer: ServerResponse): void {
    // Its client is gone already: no event will say so again.
    if (answer.destroyed || answer.closed) return;
    this.count++;
    answer.once('close', () => {
      if (--this.count === 0) this.onIdle?.();
    });
  }

  /** Resolves when none is being served. */
  idle(): Promise<void> {
    if (this.count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onIdle = resolve;
    });
  }
}
