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

/**
 * Keeps `call.attempts` and `call.lastSent`.
 *
 * @param refused called with a member that refused a connection.
 */
export function sentFilter(refused: (member: Member) => void): Filter<Attempt, Reply> {
  return tapFilter<Attempt, Reply, undefined>({
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
