import type { Clock } from '../../core/clock.ts';
import { timeoutError, tooLate } from '../../core/deadline.ts';
import type { Filter } from '../../core/filter.ts';
import type { Operation } from '../../core/operation.ts';

/**
 * Ends a command at its deadline with `INMESH_TIMEOUT`, or `INMESH_DEADLINE` when the deadline was inherited. Calls over
 * HTTP are ended by cancelling what waits for them; a function may not listen to its signal, so here its promise is
 * raced, and what it does later is ignored.
 */
export function commandDeadlineFilter<O extends Operation, R>(clock: Clock): Filter<O, R> {
  return {
    role: 'deadline',
    apply: (operation, next) => {
      const { deadline, name, options } = operation;
      if (deadline === Number.POSITIVE_INFINITY) return next(operation);
      const now = clock.now();
      const inherited = deadline < now + options.timeoutMs;
      const error = timeoutError(inherited ? 'INMESH_DEADLINE' : 'INMESH_TIMEOUT', name, options.timeoutMs, 0);
      if (tooLate(deadline, now)) return Promise.reject(error);
      return new Promise<R>((resolve, reject) => {
        const timer = clock.setTimer(() => {
          operation.cancel(error);
          reject(error);
        }, deadline - now);
        next(operation)
          .then(resolve, reject)
          .finally(() => clock.clearTimer(timer));
      });
    },
  };
}
