import type { Attempt } from '../../core/attempt.ts';
import type { Clock } from '../../core/clock.ts';
import { timeoutError } from '../../core/deadline.ts';
import { Delayed, DelayQueue } from '../../core/delay-queue.ts';
import { endpointKey } from '../../core/endpoint.ts';
import type { Filter } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { tapFilter } from '../../core/tap.ts';

/**
 * Ends one attempt that has no head after `perTryTimeoutMs`, with `INMESH_ATTEMPT_TIMEOUT`; the call may go on with
 * another. Like the deadline it only cancels, and whoever waits rejects.
 */
export function attemptTimeoutFilter(clock: Clock): Filter<Attempt, Reply> {
  const waits = new DelayQueue(clock);
  const clear = (_attempt: Attempt, wait: AttemptWait | undefined) => {
    if (wait !== undefined) waits.remove(wait);
  };
  return tapFilter<Attempt, Reply, AttemptWait | undefined>({
    role: 'attempt-timeout',
    before: (attempt) => {
      const { perTryTimeoutMs } = attempt.options;
      if (perTryTimeoutMs === Number.POSITIVE_INFINITY) return undefined;
      const wait = new AttemptWait(attempt);
      waits.add(wait, clock.now() + perTryTimeoutMs);
      return wait;
    },
    succeeded: clear,
    failed: clear,
  });
}

/** An attempt without a head. */
class AttemptWait extends Delayed {
  private readonly attempt: Attempt;

  constructor(attempt: Attempt) {
    super();
    this.attempt = attempt;
  }

  override onDue(): void {
    const { attempt } = this;
    const { name, number, member, options } = attempt;
    const where = endpointKey(member.endpoint);
    attempt.cancel(timeoutError('INMESH_ATTEMPT_TIMEOUT', name, options.perTryTimeoutMs, number, where));
  }
}
