/**
 * What if a caller cancels with an error of the mesh? One that failed elsewhere, as when a fan-out gives up its other
 * calls: it says nothing about the endpoint that is cancelled here. Inside the mesh it travels as the cause of an
 * `INMESH_ABORTED`, which counts for nothing; the caller gets his own reason back.
 */
import { MeshError, meshErrorOf } from '../core/errors.ts';

/** A caller's reason that would be taken for an error of this call. */
class CallerReason extends MeshError {
  constructor(reason: unknown) {
    super('INMESH_ABORTED', 'the caller cancelled the call', { cause: reason });
  }
}

/** What to cancel a call with, for the caller's `reason`. */
export function callerReason(reason: unknown): unknown {
  return meshErrorOf(reason) === undefined ? reason : new CallerReason(reason);
}

/** The caller's reason again, or `error` as it is. */
export function ownReason(error: unknown): unknown {
  return error instanceof CallerReason ? error.cause : error;
}
