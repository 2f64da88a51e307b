/**
 * Which metrics are there? Those of this table, and no others: the exporters for Prometheus and for OpenTelemetry both
 * read it, so that a metric is named, explained and computed in one place. Names are in Prometheus' base units.
 *
 * A series with the label `service` alone reports zeros, so that a rate sees the first event. A series of a route or a
 * subset reports what has moved: most of its fields belong to its service.
 */
import type { Histogram } from './histogram.ts';
import type { MetricsRegistry } from './metrics-registry.ts';
import type { OutcomeCounter } from './outcome-counter.ts';
import { type PoolState, type ServiceMetrics, unset } from './service-metrics.ts';

/** Labels of a sample, by name. */
export type SampleLabels = Readonly<Record<string, string>>;

/** A value with its labels. */
export interface Sample<T = number> {
  readonly labels: SampleLabels;
  readonly value: T;
}

interface Described {
  /** The name in Prometheus. */
  readonly name: string;
  /** The name in OpenTelemetry, which derives the suffixes of the other from unit and type. */
  readonly otelName: string;
  /** UCUM. */
  readonly unit: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** A metric with one value a series. */
export interface ScalarMetric extends Described {
  readonly type: 'counter' | 'gauge';
  collect(registry: MetricsRegistry): Sample[];
}

/** A metric with a distribution a series. */
export interface HistogramMetric extends Described {
  readonly type: 'histogram';
  collect(registry: MetricsRegistry): Sample<Histogram>[];
}

const seriesLabels = ['service', 'route', 'subset'] as const;
const outcomeLabels = [...seriesLabels, 'outcome', 'status', 'cause'] as const;

/** Every metric with one value a series. */
export const scalarMetrics: readonly ScalarMetric[] = [
  outcomes('calls', '{call}', 'Calls that are over, by outcome (body and retries included).', (series) => series.calls),
  outcomes('attempts', '{attempt}', 'Attempts with a head or an error, by outcome.', (series) => series.attempts),
  counter('retries', '{attempt}', 'Attempts that were not the first of their call.', (series) => series.retries),
  counter(
    'retry_budget_exhausted',
    '{attempt}',
    'Retries refused by the retry budget.',
    (series) => series.retryBudgetExhausted,
  ),
  counter('hedges', '{attempt}', 'Attempts sent beside one that took long.', (series) => series.hedges),
  counter('hedges_won', '{attempt}', 'Hedges that were answered first.', (series) => series.hedgesWon),
  counter('coalesced_calls', '{call}', 'Calls that shared the answer of another.', (series) => series.coalescedCalls),
  counter(
    'adaptive_limit_refusals',
    '{call}',
    'Calls turned away by an adaptive limit, or in dark mode those that would have been.',
    (series) => series.adaptiveLimitRefusals,
  ),
  gauge(
    'adaptive_limit',
    '{call}',
    'Calls that an adaptive limit lets in at once.',
    (series) => series.readAdaptiveLimit?.() ?? unset,
  ),
  counter(
    'circuit_breaker_refusals',
    '{call}',
    'Calls refused by a circuit breaker, or in dark mode those that would have been.',
    (series) => series.breakerRefusals,
  ),
  counter(
    'admission_refusals',
    '{call}',
    'Calls refused by admission control, or in dark mode those that would have been.',
    (series) => series.admissionRefusals,
  ),
  counter(
    'rate_limit_refusals',
    '{call}',
    'Calls refused by a local rate limit, or in dark mode those that would have been.',
    (series) => series.rateLimitRefusals,
  ),
  counter(
    'pending_overflows',
    '{attempt}',
    'Attempts refused because too many waited for a connection.',
    (series) => series.pendingOverflows,
  ),
  counter(
    'pending_timeouts',
    '{attempt}',
    'Attempts refused because they had waited too long for a connection.',
    (series) => series.pendingTimeouts,
  ),
  counter('ejections', '{ejection}', 'Ejections of endpoints as outliers.', (series) => series.ejections),
  counter('health_check_failures', '{check}', 'Health checks that failed.', (series) => series.healthCheckFailures),
  gauge('calls_in_flight', '{call}', 'Calls that are not over.', (series) => series.callsInFlight),
  gauge('endpoints', '{endpoint}', 'Endpoints known.', (series) => series.endpoints),
  gauge('endpoints_ejected', '{endpoint}', 'Endpoints ejected as outliers.', (series) => series.endpointsEjected),
  gauge(
    'endpoints_unhealthy',
    '{endpoint}',
    'Endpoints ejected, failing their health check, or refusing connections.',
    (series) => series.endpointsUnhealthy,
  ),
  gauge(
    'circuit_breaker_state',
    '1',
    'The circuit breaker: 0 closed, 1 half-open, 2 open.',
    (series) => series.breakerState,
  ),
  pool('connections', '{connection}', 'Open connections.'),
  pool('pending', '{attempt}', 'Attempts that wait for a connection.'),
  pool('running', '{attempt}', 'Attempts on a connection.'),
  {
    ...described(
      'inbound_shed',
      '_total',
      '{request}',
      'Inbound requests turned away, or in dark mode those that should have been.',
      ['reason', 'criticality'],
    ),
    type: 'counter',
    collect: (registry) => registry.shed.samples(),
  },
  {
    type: 'counter',
    name: 'inmesh_series_overflow_total',
    otelName: 'inmesh.series_overflow',
    unit: '{series}',
    help: 'Series refused by the cap on series; their counts are in service "_OTHER".',
    labelNames: [],
    collect: (registry) => [{ labels: {}, value: registry.overflows }],
  },
];

/** From the start of a call to its last byte. */
export const callDurationMetric = histogram(
  'call_duration',
  'Duration of calls to the last byte of the reply.',
  (series) => series.callDuration,
);

/** From the start of an attempt to its head. */
export const attemptDurationMetric = histogram(
  'attempt_duration',
  'Duration of attempts to the head of the reply.',
  (series) => series.attemptDuration,
);

/** Every metric with a distribution a series. */
export const histogramMetrics: readonly HistogramMetric[] = [callDurationMetric, attemptDurationMetric];

function described(name: string, suffix: string, unit: string, help: string, labelNames: readonly string[]): Described {
  return { name: `inmesh_${name}${suffix}`, otelName: `inmesh.${name}`, unit, help, labelNames };
}

function scalar(
  type: 'counter' | 'gauge',
  name: string,
  unit: string,
  help: string,
  read: (series: ServiceMetrics) => number,
): ScalarMetric {
  return {
    ...described(name, type === 'counter' ? '_total' : '', unit, help, seriesLabels),
    type,
    collect(registry) {
      const samples: Sample[] = [];
      for (const series of registry.all()) {
        const value = read(series);
        const reported = value === 0 ? isOfWholeService(series) : !Number.isNaN(value);
        if (reported) samples.push({ labels: { ...series.labels }, value });
      }
      return samples;
    },
  };
}

function counter(name: string, unit: string, help: string, read: (series: ServiceMetrics) => number): ScalarMetric {
  return scalar('counter', name, unit, help, read);
}

function gauge(name: string, unit: string, help: string, read: (series: ServiceMetrics) => number): ScalarMetric {
  return scalar('gauge', name, unit, help, read);
}

function pool(field: keyof PoolState, unit: string, help: string): ScalarMetric {
  return gauge(`pool_${field}`, unit, help, (series) => series.readPool?.()[field] ?? Number.NaN);
}

function outcomes(
  name: string,
  unit: string,
  help: string,
  read: (series: ServiceMetrics) => OutcomeCounter,
): ScalarMetric {
  return {
    ...described(name, '_total', unit, help, outcomeLabels),
    type: 'counter',
    collect(registry) {
      const samples: Sample[] = [];
      for (const series of registry.all()) {
        read(series).forEach((labels, value) => {
          samples.push({ labels: { ...series.labels, ...labels }, value });
        });
      }
      return samples;
    },
  };
}

function histogram(name: string, help: string, read: (series: ServiceMetrics) => Histogram): HistogramMetric {
  return {
    ...described(name, '_seconds', 's', help, seriesLabels),
    type: 'histogram',
    collect(registry) {
      const samples: Sample<Histogram>[] = [];
      for (const series of registry.all()) {
        const value = read(series);
        if (value.count > 0 || isOfWholeService(series)) samples.push({ labels: { ...series.labels }, value });
      }
      return samples;
    },
  };
}

function isOfWholeService(series: ServiceMetrics): boolean {
  return series.labels.route === undefined && series.labels.subset === undefined;
}
