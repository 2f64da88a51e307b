/**
 * Why not a timer for each call? Because a timer of Node costs more than all else that a limit in time does, and nearly all
 * are cleared before they fire. What waits equally long is due in the order in which it began: a list, with one timer for
 * the whole of it (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 2; Node's own lists of timers).
 */
import type { Clock, Timer } from './clock.ts';

/** The longest delay of a timer of Node, in ms: 24.8 days. */
const maxDelayMs = 2 ** 31 - 1;

/** How many that are due later a new one may stand before; beyond it gets a timer of its own. */
const maxSteps = 8;

/** Something that waits in a {@link DelayQueue}; in one at a time. */
export abstract class Delayed {
  /** @internal */
  dueAt = Number.POSITIVE_INFINITY;
  /** @internal */
  dueBefore: Delayed | undefined = undefined;
  /** @internal */
  dueAfter: Delayed | undefined = undefined;
  /** @internal Whether it waits: in the list, or by {@link ownTimer}. */
  isWaiting = false;
  /** @internal */
  ownTimer: Timer | undefined = undefined;

  /** The time is over. It waits no more, and may be added again. */
  abstract onDue(): void;
}

/** Waits of about the same length. They keep the process alive. */
export class DelayQueue {
  private readonly clock: Clock;
  private first: Delayed | undefined = undefined;
  private last: Delayed | undefined = undefined;
  private timer: Timer | undefined = undefined;
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls back at the instant `dueAt`; never for `Infinity`. What waits is removed first. */
  add(entry: Delayed, dueAt: number): void {
    if (entry.isWaiting) this.remove(entry);
    if (!(dueAt < Number.POSITIVE_INFINITY)) return;
    entry.dueAt = dueAt;
    entry.isWaiting = true;
    let before = this.last;
    for (let step = 0; before !== undefined && before.dueAt > dueAt; step++) {
      if (step === maxSteps) {
        this.waitAlone(entry);
        return;
      }
      before = before.dueBefore;
    }
    this.link(entry, before);
    if (dueAt < this.timerAt) this.arm(dueAt);
  }

  /** Forgets `entry`; one that does not wait is left alone. */
  remove(entry: Delayed): void {
    if (!entry.isWaiting) return;
    entry.isWaiting = false;
    if (entry.ownTimer !== undefined) {
      this.clock.clearTimer(entry.ownTimer);
      entry.ownTimer = undefined;
      return;
    }
    this.unlink(entry);
    // Else it may fire for nothing, which is cheaper than to set it anew.
    if (this.first === undefined) this.disarm();
  }

  private waitAlone(entry: Delayed): void {
    entry.ownTimer = this.clock.setTimer(() => {
      entry.ownTimer = undefined;
      entry.isWaiting = false;
      entry.onDue();
    }, entry.dueAt - this.clock.now());
  }

  private link(entry: Delayed, before: Delayed | undefined): void {
    const after = before === undefined ? this.first : before.dueAfter;
    entry.dueBefore = before;
    entry.dueAfter = after;
    if (before === undefined) this.first = entry;
    else before.dueAfter = entry;
    if (after === undefined) this.last = entry;
    else after.dueBefore = entry;
  }

  private unlink(entry: Delayed): void {
    const { dueBefore: previous, dueAfter: next } = entry;
    if (previous === undefined) this.first = next;
    else previous.dueAfter = next;
    if (next === undefined) this.last = previous;
    else next.dueBefore = previous;
    entry.dueBefore = undefined;
    entry.dueAfter = undefined;
  }

  private arm(dueAt: number): void {
    const { clock } = this;
    if (this.timer !== undefined) clock.clearTimer(this.timer);
    const now = clock.now();
    this.timerAt = Math.min(dueAt, now + maxDelayMs);
    this.timer = clock.setTimer(this.onTimer, Math.max(0, this.timerAt - now));
  }

  private disarm(): void {
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
  }

  private readonly onTimer = (): void => {
    // Timers may fire a fraction of a ms early: what this one was set to is due.
    const dueAt = Math.max(this.timerAt, this.clock.now());
    this.timer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
    try {
      for (let entry = this.first; entry !== undefined && entry.dueAt <= dueAt; entry = this.first) {
        this.unlink(entry);
        entry.isWaiting = false;
        entry.onDue();
      }
    } finally {
      if (this.first !== undefined && this.first.dueAt < this.timerAt) this.arm(this.first.dueAt);
    }
  };
}
