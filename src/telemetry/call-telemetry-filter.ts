/**
 * What is told about a call? What its caller sees: this filter is the outermost, and a call is over when the last byte
 * of its reply is there. Without an SDK and without subscribers all it does is add to a few numbers.
 */
import type { Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import { events } from '../core/events.ts';
import type { Filter } from '../core/filter.ts';
import { type Outcome, outcomeOfError } from '../core/outcome.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';
import { log, logCall } from './log.ts';
import type { OperationTrace } from './operation-trace.ts';
import type { OtelMetrics } from './otel-metrics.ts';
import type { ServiceMetrics } from './service-metrics.ts';
import type { Traces } from './traces.ts';

/** What the telemetry filters need. */
export interface TelemetryFilterOptions {
  /** Where to count. */
  readonly metrics: ServiceMetrics;
  readonly otelMetrics: OtelMetrics;
  readonly traces: Traces;
  readonly clock: Clock;
  /** Whether the connections of the service are secured; for the scheme in `url.full`. */
  readonly secure: boolean;
}

/** Counts, times, traces and announces calls. The outermost filter of a call stack. */
export function callTelemetryFilter(options: TelemetryFilterOptions): Filter<Call, Reply> {
  const { metrics, otelMetrics, traces, clock, secure } = options;

  const end = (
    call: Call,
    trace: OperationTrace | undefined,
    status: number | undefined,
    outcome: Outcome,
    error: unknown,
  ) => {
    const durationMs = clock.now() - call.startedAt;
    metrics.callsInFlight -= 1;
    metrics.calls.add(outcome, status);
    metrics.callDuration.observe(durationMs);
    otelMetrics.recordCall(metrics, outcome, durationMs);
    trace?.end(status, outcome, error);
    if (log.enabled) logCall(call, status, outcome, error, durationMs);
    if (events.callEnd.hasSubscribers) {
      const { name: service, attempts } = call;
      events.callEnd.publish({ service, call, status, error, outcome, durationMs, attempts });
    }
  };

  return tapFilter<Call, Reply, OperationTrace | undefined>({
    role: 'telemetry',
    before: (call) => {
      metrics.callsInFlight += 1;
      if (events.callStart.hasSubscribers) events.callStart.publish({ service: call.name, call });
      return traces.startCall(call, secure);
    },
    around: (trace, next, call) => (trace === undefined ? next(call) : trace.run(next, call)),
    succeeded: (call, trace, reply) => reply.onEnd((final) => end(call, trace, reply.status, final, undefined)),
    failed: (call, trace, error) => end(call, trace, undefined, outcomeOfError(error), error),
  });
}
