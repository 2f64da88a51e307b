/**
 * How does a test pass ten seconds in a millisecond? With this clock: time stands still until {@link VirtualClock.advance}
 * moves it, and every timer on the way fires at its own instant, in order, with all promises settled in between.
 */
import type { Clock, Timer } from '../core/clock.ts';

interface VirtualTimer {
  /** The instant at which it fires. */
  readonly at: number;
  readonly callback: () => void;
  readonly background: boolean;
  /** Neither fired nor cleared. */
  pending: boolean;
}

/** Captured at import, so that a test runner's fake timers do not stop it. */
const platformSetImmediate = globalThis.setImmediate;

/** A clock that moves only when told to. Instants start at 0, the wall clock at `wallStart`. */
export class VirtualClock implements Clock {
  private instant = 0;
  private readonly wallStart: number;
  /** The next to fire last, so that it is popped in O(1); cleared timers stay until their turn. */
  private readonly queue: VirtualTimer[] = [];
  private pendingCount = 0;
  private pendingBackgroundCount = 0;

  /** @param wallStart the wall clock at the instant 0, in ms since the epoch. Default 2030-01-01, UTC. */
  constructor(wallStart = 1_893_456_000_000) {
    this.wallStart = wallStart;
  }

  /** Timers that neither fired nor were cleared, background timers included. */
  get pendingTimers(): number {
    return this.pendingCount;
  }

  /** Those of {@link pendingTimers} that would not keep a process alive. */
  get pendingBackgroundTimers(): number {
    return this.pendingBackgroundCount;
  }

  now(): number {
    return this.instant;
  }

  wallTime(): number {
    return this.wallStart + this.instant;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    return this.schedule(callback, delayMs, false);
  }

  setBackgroundTimer(callback: () => void, delayMs: number): Timer {
    return this.schedule(callback, delayMs, true);
  }

  clearTimer(timer: Timer): void {
    this.retire(timer as VirtualTimer);
  }

  /**
   * Moves time on by `ms` ≥ 0. Timers that come due fire at their instant, equal ones in the order they were set; ones
   * set on the way fire too when they come due. Before each and at the end, promises settle that wait for nothing but
   * other promises.
   */
  async advance(ms: number): Promise<void> {
    const end = this.instant + ms;
    await settlePromises();
    for (let timer = this.nextDue(end); timer !== undefined; timer = this.nextDue(end)) {
      this.instant = Math.max(this.instant, timer.at);
      this.retire(timer);
      timer.callback();
      await settlePromises();
    }
    this.instant = end;
  }

  private schedule(callback: () => void, delayMs: number, background: boolean): Timer {
    const timer = { at: this.instant + Math.max(0, delayMs), callback, background, pending: true };
    this.queue.splice(this.placeOf(timer.at), 0, timer);
    this.pendingCount++;
    if (background) this.pendingBackgroundCount++;
    return timer;
  }

  /** Where a timer of `at` goes: in front of (so fired after) those that are due at the same instant. */
  private placeOf(at: number): number {
    let low = 0;
    let high = this.queue.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.queue[middle] as VirtualTimer).at > at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private nextDue(end: number): VirtualTimer | undefined {
    for (let timer = this.queue.at(-1); timer !== undefined && timer.at <= end; timer = this.queue.at(-1)) {
      this.queue.pop();
      if (timer.pending) return timer;
    }
    return undefined;
  }

  private retire(timer: VirtualTimer): void {
    if (!timer.pending) return;
    timer.pending = false;
    this.pendingCount--;
    if (timer.background) this.pendingBackgroundCount--;
  }
}

/** A turn of the event loop: all microtasks have run by then, however many there are. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => {
    platformSetImmediate(resolve);
  });
}
