/**
 * How does a cockatiel policy of the caller's own get around a call? Outermost. Each execution is a call of its own, so
 * that a policy that times out and tries again does not find the call cancelled.
 */
import type { IPolicy } from 'cockatiel';
import { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';

/** Runs a call under `options.policy`. A result that the policy judges is a reply, with `status` and `headers`. */
export const policyFilter: Filter = {
  role: 'policy',
  apply: (call, next) =>
    (call.options.policy as IPolicy).execute(({ signal }) => {
      const execution = again(call);
      const onParentCancel = (reason: unknown) => execution.cancel(reason);
      const onAbort = () => execution.cancel(signal.reason);
      const forget = () => {
        call.offCancel(onParentCancel);
        signal.removeEventListener('abort', onAbort);
      };
      call.onCancel(onParentCancel);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      return next(execution).then(
        (reply) => {
          // The signal is for the head: a policy's timeout aborts it when the function has returned, and would cut the body.
          signal.removeEventListener('abort', onAbort);
          reply.onEnd(forget);
          return reply;
        },
        (error) => {
          forget();
          throw error;
        },
      );
    }),
};

function again(call: Call): Call {
  const { name, options, deadline, startedAt, method, authority, path, headers, body, idempotent } = call;
  const copy = new Call(name, options, deadline, startedAt, method, authority, path, headers, body, idempotent);
  copy.upgrade = call.upgrade;
  copy.isRepeat = call.isRepeat;
  copy.inheritedDeadline = call.inheritedDeadline;
  return copy;
}
