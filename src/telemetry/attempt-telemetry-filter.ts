/**
 * What is told about an attempt? How its endpoint answered: an attempt is judged and timed at the head of its reply, for
 * that is when the next decision is taken. Only its span lasts to the last byte, as OpenTelemetry's conventions ask.
 */
import type { Attempt } from '../core/attempt.ts';
import { endpointKey } from '../core/endpoint.ts';
import { events } from '../core/events.ts';
import type { Filter } from '../core/filter.ts';
import { type Outcome, outcomeOfError } from '../core/outcome.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';
import type { TelemetryFilterOptions } from './call-telemetry-filter.ts';
import { log, logAttempt } from './log.ts';
import type { OperationTrace } from './operation-trace.ts';

/** Counts, times, traces and announces attempts. The outermost filter of an attempt stack. */
export function attemptTelemetryFilter(options: TelemetryFilterOptions): Filter<Attempt, Reply> {
  const { metrics, otelMetrics, traces, clock, secure } = options;

  const judged = (attempt: Attempt, status: number | undefined, outcome: Outcome, error: unknown) => {
    const durationMs = clock.now() - attempt.startedAt;
    metrics.attempts.add(outcome, status);
    metrics.attemptDuration.observe(durationMs);
    otelMetrics.recordAttempt(attempt, status, outcome, error, durationMs);
    if (log.enabled) logAttempt(attempt, status, outcome, error, durationMs);
    if (events.attemptEnd.hasSubscribers) {
      const endpoint = endpointKey(attempt.member.endpoint);
      events.attemptEnd.publish({ service: attempt.name, endpoint, attempt, status, error, outcome, durationMs });
    }
  };

  return tapFilter<Attempt, Reply, OperationTrace | undefined>({
    role: 'telemetry',
    before: (attempt) => {
      if (attempt.number > 1) metrics.retries += 1;
      if (events.attemptStart.hasSubscribers) {
        const endpoint = endpointKey(attempt.member.endpoint);
        events.attemptStart.publish({ service: attempt.name, endpoint, attempt });
      }
      return traces.startAttempt(attempt, secure);
    },
    around: (trace, next, attempt) => (trace === undefined ? next(attempt) : trace.run(next, attempt)),
    succeeded: (attempt, trace, reply) => {
      judged(attempt, reply.status, reply.outcome, undefined);
      if (trace !== undefined) reply.onEnd((final) => trace.end(reply.status, final, undefined));
    },
    failed: (attempt, trace, error) => {
      const outcome = outcomeOfError(error);
      judged(attempt, undefined, outcome, error);
      trace?.end(undefined, outcome, error);
    },
  });
}
