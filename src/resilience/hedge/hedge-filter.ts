/**
 * Why ask twice? Because one slow server among a hundred makes every page slow that asks all of them ("The Tail at Scale",
 * Dean and Barroso, 2013). An attempt that takes longer than nearly all others is joined by a second one at another
 * member; the first good head wins, and the loser is given up.
 *
 * What it costs is bounded twice: by a budget of its own, and by the budget that retries have. On HTTP/1.1 a loser costs its
 * connection too, unless its answer comes within moments of the winner's.
 */
import type { Call } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import { events } from '../../core/events.ts';
import type { Filter, Next } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { discardReply } from '../../http/discard-reply.ts';
import type { RetryBudget } from '../retry/retry-budget.ts';
import type { HedgeDelay } from './hedge-delay.ts';

/** What the filter needs; delay and budget belong to the service. */
export interface HedgeFilterOptions {
  readonly clock: Clock;
  readonly delay: HedgeDelay;
  /** Of hedges alone. */
  readonly own: RetryBudget;
  /** Of retries and hedges. */
  readonly shared: RetryBudget;
  /** Whether there is a member that the call has neither tried nor just been sent to. */
  readonly hasOther: (call: Call) => boolean;
  /** A hedge was sent. */
  readonly onHedge?: () => void;
  /** The answer of a hedge came first. */
  readonly onWin?: () => void;
}

/** Hedges calls that may be sent twice. Belongs directly above the cluster, below the retry. */
export function hedgeFilter(options: HedgeFilterOptions): Filter<Call, Reply> {
  const { clock, delay, own } = options;
  return {
    role: 'hedge',
    apply: (call, next) => {
      if (!mayBeSentTwice(call)) return next(call);
      const now = clock.now();
      own.deposit(now);
      return new Race(call, next, options).run(now, delay.at(now));
    },
  };
}

function mayBeSentTwice({ idempotent, upgrade, isRepeat, body }: Call): boolean {
  return idempotent && upgrade === undefined && !isRepeat && (body === null || body.replayable);
}

const lost = new MeshError('INMESH_ABORTED', 'another attempt of the call was answered first');

/** A reply that is not good enough while the other attempt may have a better one. */
interface Poor {
  readonly branch: Call;
  readonly reply: Reply;
}

/** One attempt of a call, and perhaps a second one beside it. */
class Race {
  private readonly call: Call;
  private readonly next: Next<Call, Reply>;
  private readonly options: HedgeFilterOptions;
  private readonly first: Call;
  private second: Call | undefined = undefined;
  private startedAt = 0;
  private timer: Timer | undefined = undefined;
  private running = 0;
  private poor: Poor | undefined = undefined;
  private over = false;
  private resolve!: (reply: Reply) => void;
  private reject!: (error: unknown) => void;
  private readonly onCancel = (reason: unknown) => {
    this.first.cancel(reason);
    this.second?.cancel(reason);
  };

  constructor(call: Call, next: Next<Call, Reply>, options: HedgeFilterOptions) {
    this.call = call;
    this.next = next;
    this.options = options;
    this.first = call.branch();
  }

  /** @param delayMs when the second one is sent; undefined when it is not known. */
  run(now: number, delayMs: number | undefined): Promise<Reply> {
    this.startedAt = now;
    const settled = new Promise<Reply>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.call.onCancel(this.onCancel);
    this.send(this.first);
    if (delayMs !== undefined) this.hedgeAfter(delayMs, delayMs);
    return settled;
  }

  private send(branch: Call): void {
    this.running++;
    this.next(branch).then(
      (reply) => this.headed(branch, reply),
      (error: unknown) => this.failed(branch, error),
    );
  }

  private hedgeAfter(waitMs: number, delayMs: number): void {
    this.timer = this.options.clock.setTimer(() => this.hedge(waitMs, delayMs), waitMs);
  }

  private hedge(waitedMs: number, delayMs: number): void {
    this.timer = undefined;
    const { clock, own, shared, hasOther, onHedge } = this.options;
    const { first, call } = this;
    const { lastMember } = first;
    // One that waits for a place is not helped by another that waits.
    if (lastMember === undefined || first.attempts === call.attempts || !hasOther(first)) return;
    // What has been read of it since may be too much to be kept.
    if (!mayBeSentTwice(call)) return;
    const now = clock.now();
    if (!own.hasRoom(now) || !shared.tryWithdraw(now)) {
      // Most that take long are over soon; the few that are not deserve a later place. Waits grow: a long poll is no reason
      // to look every millisecond.
      this.hedgeAfter(2 * waitedMs, delayMs);
      return;
    }
    own.tryWithdraw(now);
    const second = call.branch();
    second.attempts = first.attempts;
    second.addTried(lastMember);
    this.second = second;
    onHedge?.();
    if (events.hedge.hasSubscribers) events.hedge.publish({ service: call.name, call, delayMs });
    this.send(second);
  }

  private headed(branch: Call, reply: Reply): void {
    this.running--;
    // A fast failure is no fast answer.
    if (branch === this.first && !this.over && reply.outcome.kind !== 'failure') this.record();
    if (this.over) discardReply(reply, this.options.clock);
    // The other one may be better.
    else if (reply.outcome.kind === 'failure' && this.running > 0) this.poor = { branch, reply };
    else this.end(branch, reply);
  }

  private failed(branch: Call, error: unknown): void {
    this.running--;
    if (this.over) return;
    if (this.running > 0) return;
    if (this.poor !== undefined) this.end(this.poor.branch, this.poor.reply);
    else this.fail(branch, error);
  }

  private end(branch: Call, reply: Reply): void {
    this.stop(branch);
    const { poor, call } = this;
    if (poor !== undefined && poor.reply !== reply) discardReply(poor.reply, this.options.clock);
    if (branch === this.second) {
      if (this.running > 0) this.record();
      if (reply.outcome.kind !== 'failure') this.options.onWin?.();
    }
    // One that is over has a reply that is read to its end, which keeps the connection.
    if (this.running > 0) (branch === this.first ? this.second : this.first)?.cancel(lost);
    // While its body comes, the call may still be cancelled.
    reply.onEnd(() => call.offCancel(this.onCancel));
    this.resolve(reply);
  }

  private fail(branch: Call, error: unknown): void {
    this.stop(branch);
    this.call.offCancel(this.onCancel);
    this.reject(error);
  }

  /** The call is what `branch` was. */
  private stop(branch: Call): void {
    this.over = true;
    if (this.timer !== undefined) this.options.clock.clearTimer(this.timer);
    const { call, first, second } = this;
    call.lastMember = branch.lastMember;
    // What a server may have seen of either counts.
    call.lastSent = [first, second].some((one) => one?.lastSent === 'maybe') ? 'maybe' : branch.lastSent;
    call.attempts = Math.max(first.attempts, second?.attempts ?? 0);
  }

  /** What was given up took this long at least: left out, it would make the delay shorter and shorter. */
  private record(): void {
    const now = this.options.clock.now();
    this.options.delay.record(now, now - this.startedAt);
  }
}
