import type { Clock } from '../../core/clock.ts';
import type { Operation } from '../../core/operation.ts';

/** Resolves after `ms`; rejects at once with the reason when `operation` is cancelled. */
export function pause(clock: Clock, operation: Operation, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onCancel = (reason: unknown): void => {
      clock.clearTimer(timer);
      reject(reason);
    };
    const timer = clock.setTimer(() => {
      operation.offCancel(onCancel);
      resolve();
    }, ms);
    operation.onCancel(onCancel);
  });
}
