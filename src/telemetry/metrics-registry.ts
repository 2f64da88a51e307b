/**
 * How many series can there be? As many as the configuration names, and never more than a cap: beyond it everything is
 * counted in one series named `_OTHER`, and a counter tells that this happened.
 */
import { MeshError } from '../core/errors.ts';
import { type SeriesLabels, ServiceMetrics } from './service-metrics.ts';
import { ShedCounter } from './shed-counter.ts';

/** Options of a {@link MetricsRegistry}. */
export interface MetricsRegistryOptions {
  /** The most series; each has about 40 lines in Prometheus' format. An integer ≥ 1. Default 1,000. */
  readonly maxSeries: number;
}

export const metricsRegistryDefaults: MetricsRegistryOptions = Object.freeze({ maxSeries: 1000 });

/** The name of the series that counts what exceeds the cap; OpenTelemetry's word for it. */
export const overflowName = '_OTHER';

/** Owns the counts of a mesh. */
export class MetricsRegistry {
  /** How often a series was asked for that the cap refused. */
  overflows = 0;
  /** Inbound requests that were turned away. */
  readonly shed = new ShedCounter();
  private readonly maxSeries: number;
  private readonly byKey = new Map<string, ServiceMetrics>();
  private readonly overflow = new ServiceMetrics({ service: overflowName });

  /** @throws MeshError `INMESH_OPTION` when `maxSeries` is outside its range. */
  constructor(options: Partial<MetricsRegistryOptions> = {}) {
    this.maxSeries = options.maxSeries ?? metricsRegistryDefaults.maxSeries;
    if (!Number.isInteger(this.maxSeries) || this.maxSeries < 1) {
      throw new MeshError('INMESH_OPTION', `option maxSeries is ${this.maxSeries}; allowed are integers from 1`);
    }
  }

  /** The counts of these labels, always the same object while they are kept. Not for the hot path: hold the result. */
  series(labels: SeriesLabels): ServiceMetrics {
    const key = JSON.stringify([labels.service, labels.route, labels.subset]);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    if (this.byKey.size >= this.maxSeries) {
      this.overflows += 1;
      return this.overflow;
    }
    const created = new ServiceMetrics(labels);
    this.byKey.set(key, created);
    return created;
  }

  /** Forgets every series of `service`, when it has left the configuration. */
  remove(service: string): void {
    for (const [key, { labels }] of this.byKey) if (labels.service === service) this.byKey.delete(key);
  }

  /** Every series, that of the overflow only once it is used. */
  *all(): Iterable<ServiceMetrics> {
    yield* this.byKey.values();
    if (this.overflows > 0) yield this.overflow;
  }
}
