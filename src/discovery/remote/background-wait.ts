/**
 * How does a watch wait? Without keeping the process alive, and no longer than it is open.
 */
import type { Clock } from '../../core/clock.ts';

/** Resolves after `delayMs`; rejects with the reason of `signal` as soon as that is aborted. */
export function backgroundWait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = () => {
      clock.clearTimer(timer);
      reject(signal.reason);
    };
    const timer = clock.setBackgroundTimer(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, delayMs);
    signal.addEventListener('abort', abort, { once: true });
  });
}
