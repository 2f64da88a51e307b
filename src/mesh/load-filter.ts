/**
 * Where is load counted? Above everything that can fail, so that what is counted up is counted down. Latency is
 * measured to the head; load is held until the body has ended.
 */
import type { Attempt } from '../core/attempt.ts';
import type { Clock } from '../core/clock.ts';
import type { Filter } from '../core/filter.ts';
import { outcomeOfError } from '../core/outcome.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';
import type { LiveMember } from './live-member.ts';
import type { Waiting } from './waiting-list.ts';

/** Keeps {@link LiveMember.inFlight}, the waiting list and the load metric. */
export function loadFilter(clock: Clock): Filter<Attempt, Reply> {
  return tapFilter<Attempt, Reply, Waiting>({
    role: 'load',
    before: (attempt) => (attempt.member as LiveMember).begin(attempt.startedAt),
    succeeded: (attempt, entry, reply) => {
      const member = attempt.member as LiveMember;
      const now = clock.now();
      member.headed(entry);
      member.load.observe(now - attempt.startedAt, now, reply.outcome.kind === 'failure');
      reply.onEnd(() => member.release());
    },
    failed: (attempt, entry, error) => {
      const member = attempt.member as LiveMember;
      const now = clock.now();
      member.headed(entry);
      // A cancellation of the caller's says nothing about the endpoint.
      if (outcomeOfError(error).kind === 'failure') member.load.observe(now - attempt.startedAt, now, true);
      member.release();
    },
  });
}
