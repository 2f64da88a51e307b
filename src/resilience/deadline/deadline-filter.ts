import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import { tooLate } from '../../core/deadline.ts';
import type { Filter } from '../../core/filter.ts';
import type { Reply } from '../../core/reply.ts';
import { tapFilter } from '../../core/tap.ts';
import { CallWaits, CallWatch, deadlineError } from './call-watch.ts';

/**
 * Ends calls that take too long: `INMESH_TIMEOUT`, `INMESH_DEADLINE`, `INMESH_HEAD_TIMEOUT` and `INMESH_BODY_IDLE`.
 * Belongs above everything that waits, so that queueing and every retry are covered. A call that comes too late is not
 * sent at all.
 */
export function deadlineFilter(clock: Clock): Filter<Call, Reply> {
  const waits = new CallWaits(clock);
  return tapFilter<Call, Reply, CallWatch>({
    role: 'deadline',
    before: (call) => {
      if (tooLate(call.deadline, clock.now())) {
        const error = deadlineError(call);
        call.cancel(error);
        throw error;
      }
      const watch = new CallWatch(waits, call);
      watch.start();
      return watch;
    },
    succeeded: (_call, watch, reply) => watch.headed(reply),
    failed: (_call, watch) => watch.failed(),
  });
}
