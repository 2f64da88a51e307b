/**
 * How do the counts get to Prometheus without a dependency? By duck typing: a registry of `prom-client`, or of its
 * successor `@prometheus-io/client`, asks every metric for its values when it is scraped, and does not care which class
 * the metric has. Default labels, `Registry.merge` and OpenMetrics output work as for the client's own metrics.
 */
import { durationBoundsSeconds } from './histogram.ts';
import { type HistogramMetric, histogramMetrics, type ScalarMetric, scalarMetrics } from './metric-table.ts';
import type { MetricsRegistry } from './metrics-registry.ts';

/** The part of a `prom-client` registry that is used. `never` takes the metric type of whichever client it is. */
export interface PrometheusRegistry {
  registerMetric(metric: never): void;
  removeSingleMetric(name: string): void;
}

/** One line of Prometheus' text format. */
interface PrometheusValue {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** What a registry asks of a metric. */
interface PrometheusMetric {
  name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labelNames: readonly string[];
  /** Does nothing: the counts are the mesh's, which other exporters read too. */
  reset(): void;
  get(): Promise<Omit<PrometheusMetric, 'reset' | 'get' | 'labelNames'> & { values: PrometheusValue[] }>;
}

/**
 * Registers every metric of the mesh with `target`, to be read at each scrape.
 *
 * @returns removes them again.
 * @throws what the registry throws when a name is taken (another mesh is attached to it); nothing stays registered.
 */
export function attachPrometheus(registry: MetricsRegistry, target: PrometheusRegistry): () => void {
  const names: string[] = [];
  const detach = () => {
    for (const name of names.splice(0)) target.removeSingleMetric(name);
  };
  const add = (metric: ScalarMetric | HistogramMetric, values: () => PrometheusValue[]) => {
    target.registerMetric(prometheusMetric(metric, values) as never);
    names.push(metric.name);
  };
  try {
    for (const metric of scalarMetrics) add(metric, () => metric.collect(registry));
    for (const metric of histogramMetrics) add(metric, () => histogramValues(metric, registry));
  } catch (error) {
    detach();
    throw error;
  }
  return detach;
}

function prometheusMetric(row: ScalarMetric | HistogramMetric, values: () => PrometheusValue[]): PrometheusMetric {
  const { name, help, type, labelNames } = row;
  return {
    name,
    help,
    type,
    labelNames,
    reset() {},
    async get() {
      // The name is read anew: for OpenMetrics a registry cuts `_total` off the metric and adds it to each line.
      return { name: this.name, help, type, values: values() };
    },
  };
}

function histogramValues(metric: HistogramMetric, registry: MetricsRegistry): PrometheusValue[] {
  return metric.collect(registry).flatMap(({ labels, value: histogram }) => {
    const counts = histogram.cumulative();
    const values: PrometheusValue[] = counts.map((value, index) => ({
      metricName: `${metric.name}_bucket`,
      labels: { le: durationBoundsSeconds[index] ?? '+Inf', ...labels },
      value,
    }));
    values.push({ metricName: `${metric.name}_sum`, labels, value: histogram.sumSeconds });
    values.push({ metricName: `${metric.name}_count`, labels, value: counts.at(-1)! });
    return values;
  });
}
