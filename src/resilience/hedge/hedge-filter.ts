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

/** What an attempt came to that is not good enough while the other may be. */
interface Poor {
  readonly branch: Call;
  readonly reply: Reply | undefined;
  readonly error: unknown;
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
    if (delayMs !== undefined && !this.over)
      this.timer = this.options.clock.setTimer(() => this.hedge(delayMs), delayMs);
    return settled;
  }

  private send(branch: Call): void {
    this.running++;
    this.next(branch).then(
      (reply) => this.headed(branch, reply),
      (error: unknown) => this.failed(branch, error),
    );
  }

  private hedge(delayMs: number): void {
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
      // Most that take long are over soon; the few that are not deserve the next place.
      this.timer = clock.setTimer(() => this.hedge(delayMs), delayMs);
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
    if (branch === this.first && !this.over) this.record();
    if (this.over) discardReply(reply, this.options.clock);
    else if (reply.outcome.kind === 'failure' && this.running > 0) this.keep({ branch, reply, error: undefined });
    else this.end(branch, reply);
  }

  private failed(branch: Call, error: unknown): void {
    this.running--;
    if (this.over) return;
    if (this.running > 0) this.keep({ branch, reply: undefined, error });
    else if (this.poor?.reply !== undefined) this.end(this.poor.branch, this.poor.reply);
    else this.fail(branch, error);
  }

  /** The other one may be better. */
  private keep(poor: Poor): void {
    this.poor = poor;
  }

  private end(branch: Call, reply: Reply): void {
    this.stop(branch);
    const { poor, call } = this;
    if (poor?.reply !== undefined && poor.reply !== reply) discardReply(poor.reply, this.options.clock);
    if (branch === this.second) {
      if (poor === undefined) this.record();
      this.options.onWin?.();
    }
    (branch === this.first ? this.second : this.first)?.cancel(lost);
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
    call.lastSent = branch.lastSent;
    call.attempts = Math.max(first.attempts, second?.attempts ?? 0);
  }

  /** What was given up took this long at least: left out, it would make the delay shorter and shorter. */
  private record(): void {
    const now = this.options.clock.now();
    this.options.delay.record(now, now - this.startedAt);
  }
}
