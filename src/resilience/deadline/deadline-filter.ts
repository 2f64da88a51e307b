import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { tooLate } from '../../core/deadline.ts';
import type { Filter } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { CallWatch, deadlineError } from './call-watch.ts';

/**
 * Ends calls that take too long: `INMESH_TIMEOUT`, `INMESH_DEADLINE`, `INMESH_HEAD_TIMEOUT` and `INMESH_BODY_IDLE`.
 * Belongs above everything that waits, so that queueing and every retry are covered. A call that comes too late is not
 * sent at all.
 */
export function deadlineFilter(clock: Clock): Filter<Call, Reply> {
  return {
    role: 'deadline',
    apply: (call, next) => {
      const now = clock.now();
      if (tooLate(call.deadline, now)) {
        const error = deadlineError(call);
        call.cancel(error);
        return Promise.reject(error);
      }
      const watch = new CallWatch(clock, call);
      watch.start(now);
      return next(call).then(
        (reply) => {
          watch.headed(reply);
          return reply;
        },
        (error: unknown) => {
          watch.failed();
          throw error;
        },
      );
    },
  };
}
