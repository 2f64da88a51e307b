/**
 * Why does a retry wait, ask three times, and then hand on the failure it has? Each retry is load on a service that has
 * a problem already. It is made only when it is safe ({@link retryReason}), when it can still be of use to the caller
 * (time left), and when the service's budget has room. Where one is missing the caller gets the last reply or
 * error of the service itself: it says more than an error of ours would.
 */
import type { IBackoff, IBackoffFactory } from 'cockatiel';
import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { tooLate } from '../../core/deadline.ts';
import { meshErrorOf } from '../../core/errors.ts';
import { events } from '../../core/events.ts';
import type { Filter, Next } from '../../core/filter.ts';
import { localOverloadHeader, type Outcome, outcomeOfError } from '../../core/outcome.ts';
import type { Random } from '../../core/random.ts';
import type { Reply } from '../../core/reply.ts';
import { discardReply } from '../../http/discard-reply.ts';
import { fullJitterBackoff } from './backoff.ts';
import { pause } from './pause.ts';
import type { RetryBudget } from './retry-budget.ts';
import { retryReason } from './retry-on.ts';

/**
 * How often a call is given to another member without counting it, when the chosen one could not be reached: gRPC's
 * transparent retry. Beyond it a failed connection is a failure like others.
 */
const maxFreePicks = 3;

/** What the filter needs; the budget belongs to the service. */
export interface RetryFilterOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: RetryBudget;
  /** For calls that bring none. Default: {@link fullJitterBackoff}. */
  readonly backoff?: IBackoffFactory<unknown>;
  /** Asked before each retry: true when the call must not be repeated, be it a retry itself or its breaker open. */
  readonly suppressed?: (call: Call) => boolean;
  /** Whether there is a member that the call has neither tried nor just been sent to. Default: yes. */
  readonly hasOther?: (call: Call) => boolean;
  /** Told when a retry was wanted, and the budget had no room. */
  readonly onBudgetExhausted?: () => void;
  /** Told of each retry, before its wait. `reason` is a token of {@link import('../../core/call-options.ts').RetryOn}. */
  readonly onRetry?: (call: Call, reason: string) => void;
}

/** Repeats attempts of a call. Belongs directly above the cluster, so that every attempt picks anew. */
export function retryFilter(options: RetryFilterOptions): Filter<Call, Reply> {
  const { clock, budget } = options;
  const settings: Settings = { ...options, backoff: options.backoff ?? fullJitterBackoff(options.random) };
  return {
    role: 'retry',
    apply: (call, next) => {
      budget.deposit(clock.now());
      return next(call).then(
        (reply) =>
          retryReason(reply.outcome, call.lastSent, call.idempotent, call.options.retry, reply) === undefined
            ? reply
            : new Retries(call, next, settings).after(reply.outcome, reply, undefined),
        (error: unknown) => new Retries(call, next, settings).after(outcomeOfError(error), undefined, error),
      );
    },
  };
}

type Settings = RetryFilterOptions & { readonly backoff: IBackoffFactory<unknown> };

/** A retry that was decided on. */
interface Plan {
  readonly reason: string;
  readonly delayMs: number;
}

/** What is made of a call once its first attempt has failed. */
class Retries {
  private readonly call: Call;
  private readonly next: Next<Call, Reply>;
  private readonly settings: Settings;
  private retries = 0;
  private freePicks = 0;
  private backoff: IBackoffFactory<unknown> | IBackoff<unknown>;

  constructor(call: Call, next: Next<Call, Reply>, settings: Settings) {
    this.call = call;
    this.next = next;
    this.settings = settings;
    this.backoff = call.options.retry.backoff ?? settings.backoff;
  }

  /** Goes on after an attempt that ended with `reply` or with `error`, until one is fit to be handed on. */
  async after(outcome: Outcome, reply: Reply | undefined, error: unknown): Promise<Reply> {
    for (;;) {
      const plan = this.plan(outcome, reply);
      if (plan === undefined) {
        if (reply === undefined) throw error;
        return reply;
      }
      // A reply that is all here holds no connection; it is what the caller gets when the next attempt cannot start.
      const kept = reply?.body.complete ? reply : undefined;
      const former = error;
      if (reply !== undefined && kept === undefined) discardReply(reply, this.settings.clock);
      if (plan.delayMs > 0) await pause(this.settings.clock, this.call, plan.delayMs);
      try {
        reply = await this.next(this.call);
        outcome = reply.outcome;
        if (kept !== undefined) discardReply(kept, this.settings.clock);
      } catch (caught) {
        if (neverStarted(caught)) {
          if (kept !== undefined) return kept;
          throw reply === undefined ? former : caught;
        }
        if (kept !== undefined) discardReply(kept, this.settings.clock);
        reply = undefined;
        error = caught;
        outcome = outcomeOfError(caught);
      }
    }
  }

  /** Decides on the next attempt and pays for it; `undefined` when there shall be none. */
  private plan(outcome: Outcome, reply: Reply | undefined): Plan | undefined {
    const { call, settings } = this;
    if (call.cancelled || (call.body !== null && !call.body.replayable)) return undefined;
    const now = settings.clock.now();
    if (this.isFree(outcome, reply) && !tooLate(endOf(call), now)) {
      this.freePicks++;
      this.avoidLastMember();
      return { reason: 'connect-failure', delayMs: 0 };
    }
    const { retry } = call.options;
    if (this.retries >= retry.max) return undefined;
    const reason = retryReason(outcome, call.lastSent, call.idempotent, retry, reply);
    if (reason === undefined || settings.suppressed?.(call)) return undefined;
    const backoff = this.backoff.next({ attempt: this.retries + 1 });
    const delayMs = Math.max(backoff.duration, this.askedWaitMs(outcome, reply));
    // The budget comes last: a retry that is not made does not spend it.
    if (tooLate(endOf(call), now + delayMs)) return undefined;
    if (!settings.budget.tryWithdraw(now)) {
      settings.onBudgetExhausted?.();
      return undefined;
    }
    this.backoff = backoff;
    this.retries++;
    this.avoidLastMember();
    settings.onRetry?.(call, reason);
    if (events.retry.hasSubscribers) events.retry.publish({ service: call.name, call, reason, delayMs });
    return { reason, delayMs };
  }

  /** What the server asks to wait; nothing when it speaks of itself alone, and another one is left. */
  private askedWaitMs({ retryAfterMs }: Outcome, reply: Reply | undefined): number {
    if (retryAfterMs === undefined) return 0;
    if (reply?.headers[localOverloadHeader] === undefined) return retryAfterMs;
    return (this.settings.hasOther?.(this.call) ?? true) ? 0 : retryAfterMs;
  }

  /**
   * Whether the attempt never reached its member, and the call did not come back to a member it had tried: then it costs
   * nobody anything to ask another one. Time spent on waiting (`timeout`) is not nothing.
   */
  private isFree(outcome: Outcome, reply: Reply | undefined): boolean {
    const { call } = this;
    if (reply !== undefined || call.lastSent !== 'none' || call.lastMember === undefined) return false;
    if (outcome.cause !== 'connect-failure' && outcome.cause !== 'identity' && outcome.cause !== 'reset') return false;
    if (this.freePicks >= maxFreePicks || call.tried.has(call.lastMember)) return false;
    // The same member again is no other one: that is a retry, with its wait and its price.
    return this.settings.hasOther?.(call) ?? true;
  }

  private avoidLastMember(): void {
    const { lastMember } = this.call;
    if (lastMember !== undefined) this.call.addTried(lastMember);
  }
}

/** The next attempt found no place or no member: says less than what the service answered before. */
function neverStarted(error: unknown): boolean {
  const code = meshErrorOf(error)?.code;
  return code === 'INMESH_OVERFLOW' || code === 'INMESH_NO_ENDPOINT';
}

/** When the caller no longer waits for a head. */
function endOf(call: Call): number {
  return Math.min(call.deadline, call.startedAt + call.options.headTimeoutMs);
}
