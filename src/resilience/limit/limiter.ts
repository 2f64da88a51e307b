/**
 * Where do calls wait when everything is at its limit? Here, in order of arrival, in a bounded number and, where that is
 * asked for, for a bounded time; undici's own queues stay empty. A queue in front of a choice of members keeps all of them
 * open, one behind it would not.
 *
 * What the limit is, its owner knows: it answers `canStart`, and calls {@link Limiter.notify} when that may have become
 * true. So one kind of queue serves a cap per endpoint, one per service and one per command.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import type { Operation } from '../../core/operation.ts';
import { criticalityShare } from '../criticality-share.ts';

/** What a limiter is connected to. */
export interface LimiterContext {
  /** The service or command, for errors. */
  readonly service: string;
  /**
   * How many may wait, ≥ 0. Read for each that comes, as configuration changes. The less critical find the queue full
   * before the others do, see `criticality-share.ts`.
   */
  readonly maxPending: () => number;
  /** Whether one more may start now. It must count what has been started, at the latest a microtask after the grant. */
  readonly canStart: () => boolean;
  /** Shared by limiters whose `canStart` counts the same things. Default: one of its own. */
  readonly turn?: GrantTurn;
  /** How long one may wait. Default: for ever. */
  readonly wait?: BoundedWait;
  /** Told of each that was refused because too many waited. */
  readonly onOverflow?: () => void;
}

/** The end of a wait. */
export interface BoundedWait {
  readonly clock: Clock;
  /** In ms, > 0; `Infinity` for ever. When it changes, call {@link Limiter.waitChanged}. */
  readonly maxMs: () => number;
  /** Told of each that has waited too long. */
  readonly onTimeout?: () => void;
}

/**
 * Who may let somebody in? One limiter at a time: until the one that was let in has started, `canStart` does not count
 * it, and another limiter would give its place away again.
 */
export interface GrantTurn {
  /** Somebody was let in and has not started yet. */
  granting: boolean;
  /** He has started: those who wait may be let in, wherever they wait. */
  readonly onFree: () => void;
}

/** One that waits; linked both ways, so that it can leave from the middle. */
interface Waiter {
  readonly operation: Operation;
  readonly grant: () => void;
  readonly onCancel: (reason: unknown) => void;
  /** Of the clock of the wait; 0 without one. */
  readonly arrivedAt: number;
  previous: Waiter | undefined;
  next: Waiter | undefined;
}

/** A bounded queue in order of arrival; arriving, starting and giving up take constant time. */
export class Limiter {
  private readonly context: LimiterContext;
  private first: Waiter | undefined = undefined;
  private last: Waiter | undefined = undefined;
  private waiting = 0;
  private readonly turn: GrantTurn;
  /** For the one that waits longest: those behind it have as much time, and came later. */
  private timer: Timer | undefined = undefined;

  constructor(context: LimiterContext) {
    this.context = context;
    this.turn = context.turn ?? { granting: false, onFree: () => this.notify() };
  }

  /** How many wait. */
  get pending(): number {
    return this.waiting;
  }

  /**
   * `undefined` when `operation` may start at once, which it must do in the same turn. Otherwise resolves when it may,
   * and it must start in the `then` of this promise, unless it was cancelled in between. Rejects with `INMESH_OVERFLOW`
   * when too many wait or it has waited too long, and at once with the reason when the operation is cancelled.
   */
  acquire(operation: Operation): undefined | Promise<void> {
    if (operation.cancelled) return Promise.reject(operation.cancelReason);
    if (this.first === undefined && !this.turn.granting && this.context.canStart()) return undefined;
    if (this.waiting >= this.context.maxPending() * criticalityShare[operation.criticality]) {
      this.context.onOverflow?.();
      return Promise.reject(this.overflow(`${this.waiting} wait already, which is the limit`));
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        operation,
        grant: resolve,
        onCancel: (reason) => {
          this.remove(waiter);
          reject(reason);
        },
        arrivedAt: this.context.wait?.clock.now() ?? 0,
        previous: this.last,
        next: undefined,
      };
      if (this.last === undefined) this.first = waiter;
      else this.last.next = waiter;
      this.last = waiter;
      this.waiting++;
      operation.onCancel(waiter.onCancel);
      if (this.timer === undefined) this.startTimer();
    });
  }

  /** Something ended, or there is more room: lets in those who wait, each after the one before it has started. */
  notify(): void {
    const waiter = this.first;
    if (waiter === undefined || this.turn.granting || !this.context.canStart()) return;
    this.remove(waiter);
    waiter.operation.offCancel(waiter.onCancel);
    this.turn.granting = true;
    waiter.grant();
    // Runs after the `then` of the promise that was just resolved.
    queueMicrotask(() => {
      this.turn.granting = false;
      this.turn.onFree();
    });
  }

  /** The longest wait is another one now, for those who wait already too. */
  waitChanged(): void {
    this.stopTimer();
    this.startTimer();
  }

  private startTimer(): void {
    const { wait } = this.context;
    if (wait === undefined || this.first === undefined) return;
    const maxMs = wait.maxMs();
    if (maxMs === Number.POSITIVE_INFINITY) return;
    const leftMs = this.first.arrivedAt + maxMs - wait.clock.now();
    this.timer = wait.clock.setTimer(() => this.refuseLate(wait), Math.max(0, leftMs));
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.context.wait?.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  private refuseLate({ clock, maxMs, onTimeout }: BoundedWait): void {
    this.timer = undefined;
    const now = clock.now();
    const longestMs = maxMs();
    for (let waiter = this.first; waiter !== undefined && now - waiter.arrivedAt >= longestMs; waiter = this.first) {
      onTimeout?.();
      waiter.operation.offCancel(waiter.onCancel);
      // Leaves the queue, and hands on why.
      waiter.onCancel(this.overflow(`no room within ${longestMs} ms`));
    }
    if (this.timer === undefined) this.startTimer();
  }

  private remove(waiter: Waiter): void {
    if (waiter.previous === undefined) this.first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    // A waiter that has got old would keep all that came after it alive until the next full collection.
    waiter.previous = undefined;
    waiter.next = undefined;
    this.waiting--;
    if (this.waiting === 0) this.stopTimer();
  }

  private overflow(why: string): MeshError {
    const { service } = this.context;
    return new MeshError('INMESH_OVERFLOW', `${service}: ${why}`, { service });
  }
}
