/**
 * How does an `AbortSignal` of the caller cancel a call? By one listener, that is gone when the call is over.
 */
import type { Call } from '../core/call.ts';
import type { Reply } from '../core/reply.ts';
import { callerReason, ownReason } from '../http/caller-reason.ts';

/**
 * Cancels `call` with the reason of `signal`, until its reply has ended.
 *
 * @returns `run`'s promise.
 */
export function cancelBySignal(call: Call, signal: AbortSignal, run: (call: Call) => Promise<Reply>): Promise<Reply> {
  if (signal.aborted) {
    call.body?.discard(signal.reason);
    return Promise.reject(signal.reason);
  }
  const onAbort = () => call.cancel(callerReason(signal.reason));
  const forget = () => signal.removeEventListener('abort', onAbort);
  signal.addEventListener('abort', onAbort, { once: true });
  return run(call).then(
    (reply) => {
      reply.onEnd(forget);
      return reply;
    },
    (error) => {
      forget();
      throw ownReason(error);
    },
  );
}
