/**
 * Where is load counted? Above everything that can fail, so that what is counted up is counted down. Latency is
 * measured to the head; load is held until the body has ended.
 */
import type { Attempt } from '../core/attempt.ts';
import type { Clock } from '../core/clock.ts';
import type { Filter } from '../core/filter.ts';
import { outcomeOfError } from '../core/outcome.ts';
import type { Reply } from '../core/reply.ts';
import type { LiveMember } from './live-member.ts';

/** Keeps {@link LiveMember.inFlight}, the waiting list and the load metric. */
export function loadFilter(clock: Clock): Filter<Attempt, Reply> {
  return {
    role: 'load',
    apply: (attempt, next) => {
      const member = attempt.member as LiveMember;
      const entry = member.begin(attempt.startedAt);
      return next(attempt).then(
        (reply) => {
          const now = clock.now();
          member.headed(entry);
          member.load.observe(now - attempt.startedAt, now, reply.outcome.kind === 'failure');
          reply.onEnd(() => member.release());
          return reply;
        },
        (error) => {
          const now = clock.now();
          member.headed(entry);
          // A cancellation of the caller's says nothing about the endpoint.
          if (outcomeOfError(error).kind === 'failure') member.load.observe(now - attempt.startedAt, now, true);
          member.release();
          throw error;
        },
      );
    },
  };
}
