/**
 * Where do calls wait when everything is at its limit? Here, in order of arrival and in a bounded number; undici's own
 * queues stay empty. A queue in front of a choice of members keeps all of them open, one behind it would not.
 *
 * What the limit is, its owner knows: it answers `canStart`, and calls {@link Limiter.notify} when that may have become
 * true. So one kind of queue serves a cap per endpoint, one per service and one per command.
 */
import { MeshError } from '../../core/errors.ts';
import type { Operation } from '../../core/operation.ts';

/** What a limiter is connected to. */
export interface LimiterContext {
  /** The service or command, for errors. */
  readonly service: string;
  /** How many may wait, ≥ 0. Read for each that comes, as configuration changes. */
  readonly maxPending: () => number;
  /** Whether one more may start now. It must count what has been started, at the latest a microtask after the grant. */
  readonly canStart: () => boolean;
  /** Shared by limiters whose `canStart` counts the same things. Default: one of its own. */
  readonly turn?: GrantTurn;
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
   * when too many wait, and at once with the reason when the operation is cancelled.
   */
  acquire(operation: Operation): undefined | Promise<void> {
    if (operation.cancelled) return Promise.reject(operation.cancelReason);
    if (this.first === undefined && !this.turn.granting && this.context.canStart()) return undefined;
    if (this.waiting >= this.context.maxPending()) return Promise.reject(this.overflow());
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        operation,
        grant: resolve,
        onCancel: (reason) => {
          this.remove(waiter);
          reject(reason);
        },
        previous: this.last,
        next: undefined,
      };
      if (this.last === undefined) this.first = waiter;
      else this.last.next = waiter;
      this.last = waiter;
      this.waiting++;
      operation.onCancel(waiter.onCancel);
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

  private remove(waiter: Waiter): void {
    if (waiter.previous === undefined) this.first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    // A waiter that has got old would keep all that came after it alive until the next full collection.
    waiter.previous = undefined;
    waiter.next = undefined;
    this.waiting--;
  }

  private overflow(): MeshError {
    const { service } = this.context;
    return new MeshError('INMESH_OVERFLOW', `${service}: ${this.waiting} wait already, which is the limit`, {
      service,
    });
  }
}
