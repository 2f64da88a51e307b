/**
 * Who tells the call how far its attempt came? This tap: the retry filter decides by it. Whoever knows members by hearsay
 * alone is told of those that are not there.
 */
import type { Attempt } from '../core/attempt.ts';
import { MeshError } from '../core/errors.ts';
import type { Filter } from '../core/filter.ts';
import type { Member } from '../core/member.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';

/** Told of connections. */
export interface SentObserver {
  /** A member refused a connection. */
  readonly refused: (member: Member) => void;
  /** An attempt had a connection to a member; called for each. */
  readonly reached: ((member: Member) => void) | undefined;
}

/** Keeps `call.attempts` and `call.lastSent`. */
export function sentFilter({ refused, reached }: SentObserver): Filter<Attempt, Reply> {
  return tapFilter<Attempt, Reply, undefined>({
    role: 'sent',
    before: () => undefined,
    succeeded: (attempt) => {
      attempt.call.lastSent = attempt.sent;
      reached?.(attempt.member);
    },
    failed: (attempt, _state, error) => {
      const { call } = attempt;
      // One that was given up for another says nothing of the call any more.
      if (call.lastAttempt === attempt) call.lastSent = attempt.sent;
      if (attempt.sent !== 'none') {
        reached?.(attempt.member);
        return;
      }
      // What never left the process is no attempt.
      call.attempts--;
      if (!(error instanceof MeshError)) return;
      error.attempts = call.attempts;
      if (isRefusal(error)) refused(attempt.member);
    },
  });
}

/** Nobody listens there: not a slow network, not a full queue. */
function isRefusal({ code, cause }: MeshError): boolean {
  return code === 'INMESH_CONNECT' && (cause as { code?: unknown } | undefined)?.code === 'ECONNREFUSED';
}
