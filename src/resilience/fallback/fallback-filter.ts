import type { Fallback } from '../../core/call-options.ts';
import { type MeshError, meshErrorOf } from '../../core/errors.ts';
import type { Filter } from '../../core/filter.ts';
import type { Operation } from '../../core/operation.ts';
import { orCancelled } from '../../core/or-cancelled.ts';

/**
 * Answers with the `fallback` of the options when the operation fails with an error of the mesh. Not when the caller gave
 * up: nobody waits for an answer then. A reply with a bad status is an answer, not a failure. When a fallback
 * itself fails the next one answers; the error of the last is the operation's.
 *
 * @param resultOf makes what the fallback gave into a result of this kind of operation.
 * @param answers which errors it answers. By default those of the mesh; a command's own errors are failures too.
 */
export function fallbackFilter<O extends Operation, R>(
  resultOf: (answer: unknown, operation: O) => R | Promise<R>,
  answers: (error: unknown) => boolean = isOurs,
): Filter<O, R> {
  return {
    role: 'fallback',
    apply: (operation, next) => {
      const { fallback } = operation.options;
      if (fallback === undefined) return next(operation);
      return next(operation).catch(async (error: unknown) => {
        if (!answers(error)) throw error;
        const answering = answerOf(fallback, error as MeshError);
        // A call that ended at its deadline is cancelled already; its fallback answers all the same.
        const answer = await (operation.cancelled ? answering : orCancelled(operation, answering));
        return resultOf(answer, operation);
      });
    },
  };
}

/** Of the first fallback that does not fail; each is told why the one before it did. */
async function answerOf(fallbacks: readonly Fallback[], error: unknown): Promise<unknown> {
  let reason = error;
  for (const fallback of fallbacks) {
    try {
      return await fallback(reason as MeshError);
    } catch (failed) {
      reason = failed;
    }
  }
  throw reason;
}

/** An error that merely has one of ours as its cause is the caller's own reason of cancellation. */
function isOurs(error: unknown): boolean {
  const ours = meshErrorOf(error);
  return ours !== undefined && ours === error && ours.code !== 'INMESH_ABORTED';
}
