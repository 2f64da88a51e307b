/**
 * What is a watch of a registry on the network? A session that is begun again whenever it ends: at once when it ended
 * well, after a growing wait when it failed, or when it ended well and too soon to be believed. This loop is the same
 * for every driver.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import type { Watch } from '../registry.ts';
import type { ReconnectDelay } from './reconnect-delay.ts';

/** A running session. */
export interface Session {
  /** Aborted when the watch is closed. */
  readonly signal: AbortSignal;
  /** The registry answers: the next wait is short again. */
  progress(): void;
}

/** What a loop does. */
export interface WatchLoopOptions {
  readonly clock: Clock;
  readonly delay: ReconnectDelay;
  /** Asks, listens and tells the sink until the registry ends it; rejects when it fails. */
  readonly run: (session: Session) => Promise<void>;
  /** Tells the sink of a failure. Not called once the watch is closed. */
  readonly failed: (error: Error) => void;
  /** A session that ends well and sooner than this is followed by a wait, as one that fails, in ms. Default 0: none is. */
  readonly shortestMs?: number;
  /** How long to wait after this failure at least, in ms. Default: no longer than after any other. */
  readonly leastWaitMs?: (error: Error) => number;
}

/** Runs sessions until it is closed. The first begins when the caller has got his watch. */
export class WatchLoop implements Watch {
  private readonly options: WatchLoopOptions;
  private readonly controller = new AbortController();
  private timer: Timer | undefined;

  constructor(options: WatchLoopOptions) {
    this.options = options;
    queueMicrotask(() => void this.go());
  }

  close(): void {
    this.controller.abort();
    if (this.timer !== undefined) this.options.clock.clearTimer(this.timer);
  }

  private async go(): Promise<void> {
    const { signal } = this.controller;
    const { clock, delay, run, failed, shortestMs = 0, leastWaitMs } = this.options;
    while (!signal.aborted) {
      const startedAt = clock.now();
      let waitMs = 0;
      try {
        await run({ signal, progress: () => delay.reset() });
        if (clock.now() - startedAt < shortestMs) waitMs = delay.next();
      } catch (error) {
        if (signal.aborted) return;
        failed(error as Error);
        waitMs = Math.max(delay.next(), leastWaitMs?.(error as Error) ?? 0);
      }
      // The sink may have closed the watch.
      if (waitMs > 0 && !signal.aborted) {
        this.timer = clock.setBackgroundTimer(() => void this.go(), waitMs);
        return;
      }
    }
  }
}
