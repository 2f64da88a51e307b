/**
 * Why ask twice? Because one slow server among a hundred makes every page slow that asks all of them ("The Tail at Scale",
 * Dean and Barroso, 2013). An attempt that takes longer than nearly all others is joined by a second one at another
 * member; the first good head wins, and the loser is given up.
 *
 * What it costs is bounded twice: by a budget of its own, and by the budget that retries have. On HTTP/1.1 a loser costs its
 * connection too, unless its answer comes within moments of the winner's.
 */
import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { Delayed, DelayQueue } from '../../core/delay-queue.ts';
import { MeshError } from '../../core/errors.ts';
import { events } from '../../core/events.ts';
import type { Filter, Next } from '../../core/filter.ts';
import type { Member } from '../../core/member.ts';
import type { CancelListener } from '../../core/operation.ts';
import type { Reply } from '../../core/reply.ts';
import { discardReply } from '../../http/discard-reply.ts';
import type { RetryBudget } from '../retry/retry-budget.ts';
import type { HedgeDelay } from './hedge-delay.ts';

/**
 * The part of the budget that attempts may use which have just become late; the rest is for those that are late still when
 * they are looked at again. Most attempts that take longer than nearly all others are about to be answered, and they alone can
 * use up a budget of just as many; then the few that hang would wait for it with them.
 */
const partOfFirstLook = 0.75;

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
  const waits = new DelayQueue(clock);
  return {
    role: 'hedge',
    apply: (call, next) => {
      if (!mayBeSentTwice(call)) return next(call);
      const now = clock.now();
      own.deposit(now);
      return new Race(call, next, options, waits, now).run(delay.at(now));
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

/** One attempt of a call, and perhaps a second one beside it, on a branch of the call. */
class Race extends Delayed {
  private readonly call: Call;
  private readonly next: Next<Call, Reply>;
  private readonly options: HedgeFilterOptions;
  private readonly waits: DelayQueue;
  private readonly startedAt: number;
  private readonly attemptsBefore: number;
  private delayMs = 0;
  /** How late it is when it is looked at next. */
  private waitedMs = 0;
  private second: Call | undefined = undefined;
  private running = 0;
  private poor: Poor | undefined = undefined;
  private over = false;
  private resolve!: (reply: Reply) => void;
  private reject!: (error: unknown) => void;
  private onCancel: CancelListener | undefined = undefined;

  constructor(call: Call, next: Next<Call, Reply>, options: HedgeFilterOptions, waits: DelayQueue, now: number) {
    super();
    this.call = call;
    this.next = next;
    this.options = options;
    this.waits = waits;
    this.startedAt = now;
    this.attemptsBefore = call.attempts;
  }

  /** @param delayMs when the second one is sent; undefined when it is not known. */
  run(delayMs: number | undefined): Promise<Reply> {
    const settled = new Promise<Reply>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.send(this.call);
    if (delayMs !== undefined) {
      this.delayMs = delayMs;
      this.waitedMs = delayMs;
      this.waits.add(this, this.startedAt + delayMs);
    }
    return settled;
  }

  private send(branch: Call): void {
    this.running++;
    this.next(branch).then(
      (reply) => this.headed(branch, reply),
      (error: unknown) => this.failed(branch, error),
    );
  }

  override onDue(): void {
    const { call, waits } = this;
    const { clock, own, shared, hasOther } = this.options;
    const { lastMember } = call;
    // One that waits for a place is not helped by another that waits.
    if (lastMember === undefined || call.attempts === this.attemptsBefore || !hasOther(call)) return;
    // What has been read of it since may be too much to be kept.
    if (call.cancelled || !mayBeSentTwice(call)) return;
    const now = clock.now();
    const part = this.waitedMs > this.delayMs ? 1 : partOfFirstLook;
    if (!own.hasRoom(now, part) || !shared.tryWithdraw(now)) {
      // Each time when it is twice as late: a long poll is no reason to look every millisecond.
      waits.add(this, now + this.waitedMs);
      this.waitedMs *= 2;
      return;
    }
    own.tryWithdraw(now);
    this.hedge(lastMember);
  }

  private hedge(lastMember: Member): void {
    const { call, delayMs } = this;
    const { onHedge } = this.options;
    const second = call.branch();
    second.addTried(lastMember);
    this.second = second;
    this.onCancel = (reason) => second.cancel(reason);
    call.onCancel(this.onCancel);
    onHedge?.();
    if (events.hedge.hasSubscribers) events.hedge.publish({ service: call.name, call, delayMs });
    this.send(second);
  }

  private headed(branch: Call, reply: Reply): void {
    this.running--;
    // A fast failure is no fast answer.
    if (branch === this.call && !this.over && reply.outcome.kind !== 'failure') this.record();
    if (this.over) discardReply(reply, this.options.clock);
    // The other one may be better.
    else if (reply.outcome.kind === 'failure' && this.running > 0) this.poor = { branch, reply };
    else this.end(branch, reply);
  }

  private failed(branch: Call, error: unknown): void {
    this.running--;
    if (this.over || this.running > 0) return;
    if (this.poor !== undefined) this.end(this.poor.branch, this.poor.reply);
    else this.fail(branch, error);
  }

  private end(branch: Call, reply: Reply): void {
    const { second, poor, onCancel, call } = this;
    if (second !== undefined) {
      if (poor !== undefined && poor.reply !== reply) discardReply(poor.reply, this.options.clock);
      if (branch === second) {
        if (this.running > 0) this.record();
        if (reply.outcome.kind !== 'failure') this.options.onWin?.();
      }
    }
    const first = call.lastAttempt;
    this.stop(branch);
    // One that is over has a reply that is read to its end, which keeps the connection.
    if (this.running > 0) (branch === call ? second : first)?.cancel(lost);
    // While its body comes, the call may still be cancelled.
    if (onCancel !== undefined) reply.onEnd(() => call.offCancel(onCancel));
    this.resolve(reply);
  }

  private fail(branch: Call, error: unknown): void {
    this.stop(branch);
    if (this.onCancel !== undefined) this.call.offCancel(this.onCancel);
    this.reject(error);
  }

  /** The call is what `branch` was. */
  private stop(branch: Call): void {
    this.over = true;
    this.waits.remove(this);
    const { call, second } = this;
    if (second === undefined) return;
    // What a server may have seen of either counts.
    // A repeat goes to neither of the two again.
    const other = branch === second ? call.lastMember : second.lastMember;
    if (other !== undefined) call.addTried(other);
    const sent = [call.lastAttempt?.sent, call.lastSent, second.lastSent, second.lastAttempt?.sent];
    if (branch === second) {
      call.lastMember = second.lastMember;
      call.lastAttempt = second.lastAttempt;
    }
    call.lastSent = sent.includes('maybe') ? 'maybe' : branch.lastSent;
    call.attempts = Math.max(call.attempts, second.attempts);
  }

  /** What was given up took this long at least: left out, it would make the delay shorter and shorter. */
  private record(): void {
    const now = this.options.clock.now();
    this.options.delay.record(now, now - this.startedAt);
  }
}
