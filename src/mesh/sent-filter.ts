/**
 * Who tells the call how far its attempt came? This tap: the retry filter decides by it.
 */
import type { Attempt } from '../core/attempt.ts';
import { MeshError } from '../core/errors.ts';
import type { Filter } from '../core/filter.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';

/** Keeps `call.attempts` and `call.lastSent`. */
export const sentFilter: Filter<Attempt, Reply> = tapFilter<Attempt, Reply, undefined>({
  role: 'sent',
  before: () => undefined,
  succeeded: (attempt) => {
    attempt.call.lastSent = attempt.sent;
  },
  failed: (attempt, _state, error) => {
    const { call } = attempt;
    call.lastSent = attempt.sent;
    if (attempt.sent !== 'none') return;
    // What never left the process is no attempt.
    call.attempts--;
    if (error instanceof MeshError) error.attempts = call.attempts;
  },
});
