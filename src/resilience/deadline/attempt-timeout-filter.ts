import type { Attempt } from '../../core/attempt.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { timeoutError } from '../../core/deadline.ts';
import { endpointKey } from '../../core/endpoint.ts';
import type { Filter } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { tapFilter } from '../../core/tap.ts';

/**
 * Ends one attempt that has no head after `perTryTimeoutMs`, with `INMESH_ATTEMPT_TIMEOUT`; the call may go on with
 * another. Like the deadline it only cancels, and whoever waits rejects.
 */
export function attemptTimeoutFilter(clock: Clock): Filter<Attempt, Reply> {
  const clear = (_attempt: Attempt, timer: Timer | undefined) => {
    if (timer !== undefined) clock.clearTimer(timer);
  };
  return tapFilter<Attempt, Reply, Timer | undefined>({
    role: 'attempt-timeout',
    before: (attempt) => {
      const { perTryTimeoutMs } = attempt.options;
      if (perTryTimeoutMs === Number.POSITIVE_INFINITY) return undefined;
      return clock.setTimer(() => {
        const { name, number, member } = attempt;
        attempt.cancel(
          timeoutError('INMESH_ATTEMPT_TIMEOUT', name, perTryTimeoutMs, number, endpointKey(member.endpoint)),
        );
      }, perTryTimeoutMs);
    },
    succeeded: clear,
    failed: clear,
  });
}
