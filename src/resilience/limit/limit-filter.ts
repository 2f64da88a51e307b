import type { Filter, Next } from '../../core/filter.ts';
import type { Operation } from '../../core/operation.ts';
import type { LimitOptions } from './limit-options.ts';
import { Limiter } from './limiter.ts';

/**
 * Caps how many operations run at once, for commands (Hystrix's semaphore). One filter is one cap: put the same into
 * every stack of the command. An operation holds its place until its promise settles. Calls over HTTP are capped by
 * their cluster, which holds the place until the body has ended.
 *
 * @param name of the command, for errors.
 */
export function limitFilter<O extends Operation, R>(
  name: string,
  limits: Pick<LimitOptions, 'maxRequests' | 'maxPending'>,
): Filter<O, R> {
  let inFlight = 0;
  const limiter = new Limiter({
    service: name,
    maxPending: () => limits.maxPending,
    canStart: () => inFlight < limits.maxRequests,
  });
  const release = (): void => {
    inFlight--;
    limiter.notify();
  };
  const run = (operation: O, next: Next<O, R>): Promise<R> => {
    if (operation.cancelled) return Promise.reject(operation.cancelReason);
    inFlight++;
    return next(operation).then(
      (result) => {
        release();
        return result;
      },
      (error: unknown) => {
        release();
        throw error;
      },
    );
  };
  return {
    role: 'limit',
    apply: (operation, next) => {
      const wait = limiter.acquire(operation);
      return wait === undefined ? run(operation, next) : wait.then(() => run(operation, next));
    },
  };
}
