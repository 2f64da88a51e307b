/**
 * How do the counts get to OpenTelemetry? Counters and gauges by observable instruments, read when a reader collects:
 * they cost nothing per call. For durations the API has no observable histogram, and buckets exported as counters are
 * histograms to no backend. So durations are recorded as they happen (0.8 µs each), but only while a MeterProvider is
 * registered; without one a call pays for one comparison.
 *
 * `http.client.request.duration` is measured to the head of each attempt. An instrumentation of undici emits a metric
 * of the same name: run the mesh with tracing `defer` then, which leaves it to the instrumentation.
 */
import {
  type BatchObservableCallback,
  createNoopMeter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
} from '@opentelemetry/api';
import type { Attempt } from '../core/attempt.ts';
import type { Outcome } from '../core/outcome.ts';
import { durationBoundsSeconds } from './histogram.ts';
import { instrumentationScope } from './instrumentation-scope.ts';
import { callDurationMetric, type ScalarMetric, scalarMetrics } from './metric-table.ts';
import type { MetricsRegistry } from './metrics-registry.ts';
import type { ServiceMetrics } from './service-metrics.ts';
import { errorType, methodName } from './trace-attributes.ts';

/** Options of {@link OtelMetrics}. */
export interface OtelMetricsOptions {
  readonly registry: MetricsRegistry;
  /** Whether to emit `http.client.request.duration`; false with tracing `defer`. */
  readonly clientDuration: boolean;
}

/** The instruments of one MeterProvider. */
interface Instruments {
  readonly meter: Meter;
  readonly callDuration: Histogram;
  readonly clientDuration: Histogram | undefined;
  readonly observables: Observable[];
  readonly observe: BatchObservableCallback;
}

const advice = { explicitBucketBoundaries: [...durationBoundsSeconds] };

/** Exports the counts of a mesh as OpenTelemetry metrics. */
export class OtelMetrics {
  private readonly options: OtelMetricsOptions;
  private provider: MeterProvider | undefined = undefined;
  private instruments: Instruments | undefined = undefined;
  private closed = false;

  constructor(options: OtelMetricsOptions) {
    this.options = options;
    this.refresh();
  }

  /** Follows the global MeterProvider: it may be registered after the mesh was created, or replaced. */
  private refresh(): Instruments | undefined {
    const provider = metrics.getMeterProvider();
    if (provider !== this.provider && !this.closed) {
      this.release();
      this.provider = provider;
      const meter = provider.getMeter(instrumentationScope.name, instrumentationScope.version);
      if (meter !== createNoopMeter()) this.instruments = createInstruments(meter, this.options);
    }
    return this.instruments;
  }

  /** A call is over, `durationMs` after it was started. */
  recordCall(series: ServiceMetrics, outcome: Outcome, durationMs: number): void {
    this.refresh()?.callDuration.record(durationMs / 1000, { ...series.labels, outcome: outcome.kind });
  }

  /** An attempt has its head or its error, `durationMs` after it was started. */
  recordAttempt(
    attempt: Attempt,
    status: number | undefined,
    outcome: Outcome,
    error: unknown,
    durationMs: number,
  ): void {
    const clientDuration = this.refresh()?.clientDuration;
    if (clientDuration === undefined) return;
    const type = errorType(status, outcome, error);
    clientDuration.record(durationMs / 1000, {
      'http.request.method': methodName(attempt.call.method),
      // The service, not the authority: a label holds what is configured, never what a caller wrote.
      'server.address': attempt.call.name,
      ...(status === undefined ? undefined : { 'http.response.status_code': status }),
      ...(type === undefined ? undefined : { 'error.type': type }),
    });
  }

  /** Stops exporting. */
  close(): void {
    this.closed = true;
    this.release();
  }

  private release(): void {
    if (this.instruments === undefined) return;
    const { meter, observe, observables } = this.instruments;
    meter.removeBatchObservableCallback(observe, observables);
    this.instruments = undefined;
  }
}

function createInstruments(meter: Meter, { registry, clientDuration }: OtelMetricsOptions): Instruments {
  const byMetric = new Map<ScalarMetric, Observable>();
  for (const metric of scalarMetrics) {
    const { otelName, unit, help: description } = metric;
    byMetric.set(
      metric,
      metric.type === 'counter'
        ? meter.createObservableCounter(otelName, { unit, description })
        : meter.createObservableGauge(otelName, { unit, description }),
    );
  }
  const observe: BatchObservableCallback = (result) => {
    for (const [metric, instrument] of byMetric) {
      for (const { labels, value } of metric.collect(registry)) result.observe(instrument, value, labels);
    }
  };
  const observables = [...byMetric.values()];
  meter.addBatchObservableCallback(observe, observables);
  const { otelName, unit, help: description } = callDurationMetric;
  return {
    meter,
    callDuration: meter.createHistogram(otelName, { unit, description, advice }),
    clientDuration: clientDuration
      ? meter.createHistogram('http.client.request.duration', {
          unit: 's',
          description: 'Duration of HTTP client requests.',
          advice,
        })
      : undefined,
    observables,
    observe,
  };
}
