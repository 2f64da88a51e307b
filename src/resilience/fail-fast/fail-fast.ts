/**
 * Why avoid a member after one refused connection, when an ejection takes five failures? Because a refusal is certain:
 * nobody listens there. The call itself loses nothing, it goes to another member at once, but each later one would meet
 * the same refusal, and a balancer by latency likes what answers so fast. The member is let in again after a wait that
 * grows with each refusal, and the next call to it is the probe: it loses as little (Finagle, `service/FailFastFactory.scala`:
 * a dead host is marked by one failed connection and probed after growing waits).
 *
 * It cannot lose calls: whom all refuse, all get calls (panic). Only refusals count. A connection that is not made in time
 * may be the network's doing, or ours; that is left to outlier detection.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import type { Member } from '../../core/member.ts';
import type { Random } from '../../core/random.ts';

/** The first wait is drawn from 0 to this, in ms; each further one from twice as much. Finagle's. */
const baseWaitMs = 1_000;

/** No wait is drawn from more, in ms. Finagle's. */
const maxWaitMs = 32_000;

/** A timer may fire this much early; a wait is over then too. */
const timerSlackMs = 1;

/** What {@link FailFast} is connected to. */
export interface FailFastContext {
  readonly clock: Clock;
  readonly random: Random;
  /** The member shall get no calls. */
  readonly onAvoid: (member: Member) => void;
  /** The members may get calls again: they answered, or one shall be tried. */
  readonly onReturn: (members: readonly Member[]) => void;
}

interface Refusing {
  /** The instant of the first of {@link refusals}. */
  readonly since: number;
  /** Refusals since a connection was made the last time. */
  refusals: number;
  /** Until when it is avoided; undefined while it may be tried. */
  until: number | undefined;
}

/** Avoids the members of one service that refuse connections. */
export class FailFast {
  private readonly context: FailFastContext;
  private readonly refusing = new Map<Member, Refusing>();
  private timer: Timer | undefined = undefined;
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(context: FailFastContext) {
    this.context = context;
  }

  /** A member refused a connection. */
  refused(member: Member): void {
    const { clock, random, onAvoid } = this.context;
    const now = clock.now();
    const state = this.refusing.get(member) ?? { since: now, refusals: 0, until: undefined };
    // Attempts that were under way together meet the same refusal.
    if (state.until !== undefined) return;
    state.refusals++;
    state.until = now + random.next() * Math.min(maxWaitMs, baseWaitMs * 2 ** (state.refusals - 1));
    this.refusing.set(member, state);
    if (state.until < this.timerAt) this.startTimer(state.until);
    onAvoid(member);
  }

  /** A connection to a member was made. Called for every attempt. */
  reached(member: Member): void {
    if (this.refusing.size === 0) return;
    const state = this.refusing.get(member);
    if (state === undefined) return;
    if (state.until !== undefined) this.context.onReturn([member]);
    this.leave(member);
  }

  /** How long ago a member refused for the first time since a connection to it was made, in ms; 0 when it did not. */
  refusingMs(member: Member): number {
    const state = this.refusing.get(member);
    return state === undefined ? 0 : this.context.clock.now() - state.since;
  }

  /** Forgets a member. */
  leave(member: Member): void {
    const state = this.refusing.get(member);
    this.refusing.delete(member);
    if (state?.until === this.timerAt) this.awaitNext();
  }

  /** Forgets all, and stops the timer. */
  close(): void {
    this.refusing.clear();
    this.awaitNext();
  }

  /** Waits for the first that is to return. */
  private awaitNext(): void {
    let first = Number.POSITIVE_INFINITY;
    for (const { until } of this.refusing.values()) if (until !== undefined && until < first) first = until;
    this.startTimer(first);
  }

  private startTimer(at: number): void {
    const { clock } = this.context;
    if (this.timer !== undefined) clock.clearTimer(this.timer);
    this.timerAt = at;
    this.timer =
      at === Number.POSITIVE_INFINITY
        ? undefined
        : clock.setBackgroundTimer(() => this.letIn(), Math.max(0, at - clock.now()));
  }

  private letIn(): void {
    const { clock, onReturn } = this.context;
    const now = clock.now() + timerSlackMs;
    const due: Member[] = [];
    for (const [member, state] of this.refusing) {
      if (state.until === undefined || state.until > now) continue;
      state.until = undefined;
      due.push(member);
    }
    this.timer = undefined;
    this.awaitNext();
    onReturn(due);
  }
}
