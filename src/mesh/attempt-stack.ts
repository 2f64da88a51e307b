/**
 * What happens to one try at one endpoint? This stack, composed once for a service. The order is load-bearing.
 */
import type { Attempt } from '../core/attempt.ts';
import type { Filter } from '../core/filter.ts';
import type { Reply } from '../core/reply.ts';
import { composeStack, type Stack } from '../core/stack.ts';
import type { LiveMember } from './live-member.ts';

/** The layers of an attempt. */
export interface AttemptFilters {
  readonly telemetry: Filter<Attempt, Reply>;
  readonly loadReport: Filter<Attempt, Reply> | false;
  readonly load: Filter<Attempt, Reply>;
  readonly outlier: Filter<Attempt, Reply> | undefined;
  readonly attemptTimeout: Filter<Attempt, Reply>;
  readonly headers: Filter<Attempt, Reply>;
  readonly session: Filter<Attempt, Reply> | undefined;
  readonly sent: Filter<Attempt, Reply>;
}

/** The attempt stack of a service. */
export function attemptStack(filters: AttemptFilters): Stack<Attempt, Reply> {
  return composeStack<Attempt, Reply>(
    [
      // Sees what the retry filter sees.
      filters.telemetry,
      // Above the load: what a server says of itself goes with the latency that has just been counted.
      filters.loadReport,
      // Above everything that can fail, so that what is counted up is counted down.
      filters.load,
      // Above the timeout, so that it sees timeouts.
      filters.outlier,
      // Asks the options of each attempt; without perTryTimeoutMs it adds nothing.
      filters.attemptTimeout,
      // Late, so that the remaining time is what remains when the request is sent.
      filters.headers,
      // Changes the reply, so below everything that looks at it.
      filters.session,
      // Innermost: all above may ask how far the attempt came.
      filters.sent,
    ],
    (attempt) => (attempt.member as LiveMember).transport.send(attempt),
  );
}
