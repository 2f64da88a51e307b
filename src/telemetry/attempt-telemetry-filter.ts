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
import type { TelemetryFilterOptions } from './call-telemetry-filter.ts';
import { log, logAttempt } from './log.ts';

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

  return {
    role: 'telemetry',
    apply: async (attempt, next) => {
      if (attempt.number > 1) metrics.retries += 1;
      if (events.attemptStart.hasSubscribers) {
        const endpoint = endpointKey(attempt.member.endpoint);
        events.attemptStart.publish({ service: attempt.name, endpoint, attempt });
      }
      const trace = traces.startAttempt(attempt, secure);
      let reply: Reply;
      try {
        reply = await (trace === undefined ? next(attempt) : trace.run(next, attempt));
      } catch (error) {
        const outcome = outcomeOfError(error);
        judged(attempt, undefined, outcome, error);
        trace?.end(undefined, outcome, error);
        throw error;
      }
      judged(attempt, reply.status, reply.outcome, undefined);
      if (trace !== undefined) reply.onEnd((final) => trace.end(reply.status, final, undefined));
      return reply;
    },
  };
}
