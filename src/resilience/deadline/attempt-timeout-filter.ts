import type { Attempt } from '../../core/attempt.ts';
import type { Clock } from '../../core/clock.ts';
import { timeoutError } from '../../core/deadline.ts';
import { endpointKey } from '../../core/endpoint.ts';
import type { Filter } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';

/**
 * Ends one attempt that has no head after `perTryTimeoutMs`, with `INMESH_ATTEMPT_TIMEOUT`; the call may go on with
 * another. Like the deadline it only cancels, and whoever waits rejects.
 */
export function attemptTimeoutFilter(clock: Clock): Filter<Attempt, Reply> {
  return {
    role: 'attempt-timeout',
    apply: (attempt, next) => {
      const { perTryTimeoutMs } = attempt.options;
      if (perTryTimeoutMs === Number.POSITIVE_INFINITY) return next(attempt);
      const timer = clock.setTimer(() => {
        const { name, number, member } = attempt;
        attempt.cancel(
          timeoutError('INMESH_ATTEMPT_TIMEOUT', name, perTryTimeoutMs, number, endpointKey(member.endpoint)),
        );
      }, perTryTimeoutMs);
      return next(attempt).then(
        (reply) => {
          clock.clearTimer(timer);
          return reply;
        },
        (error: unknown) => {
          clock.clearTimer(timer);
          throw error;
        },
      );
    },
  };
}
