/**
 * How does an operation wait for something that it does not own? Until that is there, or the operation is cancelled.
 */
import type { Operation } from './operation.ts';

/** Settles as `promise`, or rejects at once with the reason when `operation` is cancelled. */
export function orCancelled<T>(operation: Operation, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    operation.onCancel(reject);
    promise.then(resolve, reject).finally(() => operation.offCancel(reject));
  });
}
