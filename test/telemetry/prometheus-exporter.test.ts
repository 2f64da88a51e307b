import * as successor from '@prometheus-io/client';
import * as promClient from 'prom-client';
import { describe, expect, it } from 'vitest';
import { failure, success } from '../../src/core/outcome.ts';
import { MetricsRegistry } from '../../src/telemetry/metrics-registry.ts';
import { attachPrometheus } from '../../src/telemetry/prometheus-exporter.ts';
import { breakerStates } from '../../src/telemetry/service-metrics.ts';

function filledRegistry(): MetricsRegistry {
  const registry = new MetricsRegistry();
  const reviews = registry.series({ service: 'reviews' });
  reviews.calls.add(success, 200);
  reviews.calls.add(failure('timeout'), undefined);
  reviews.callDuration.observe(30);
  reviews.callDuration.observe(20_000);
  reviews.callsInFlight = 3;
  reviews.breakerState = breakerStates.open;
  reviews.readPool = () => ({ connections: 4, pending: 1, running: 2 });
  registry.series({ service: 'reviews', route: 'canary' }).calls.add(success, 404);
  return registry;
}

describe.each([
  ['prom-client', promClient],
  ['@prometheus-io/client', successor as unknown as typeof promClient],
])('attachPrometheus with %s', (_, client) => {
  it('writes counters, gauges and pools with their labels', async () => {
    const target = new client.Registry();
    attachPrometheus(filledRegistry(), target);
    const lines = (await target.metrics()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '# TYPE inmesh_calls_total counter',
        'inmesh_calls_total{service="reviews",outcome="success",status="2xx"} 1',
        'inmesh_calls_total{service="reviews",outcome="failure",status="none",cause="timeout"} 1',
        'inmesh_calls_total{service="reviews",route="canary",outcome="success",status="4xx"} 1',
        'inmesh_calls_in_flight{service="reviews"} 3',
        'inmesh_retries_total{service="reviews"} 0',
        'inmesh_circuit_breaker_state{service="reviews"} 2',
        'inmesh_pool_connections{service="reviews"} 4',
        'inmesh_series_overflow_total 0',
      ]),
    );
  });

  it('leaves out gauges that nobody has set, and zeros of routes', async () => {
    const target = new client.Registry();
    attachPrometheus(filledRegistry(), target);
    const text = await target.metrics();
    expect(text).not.toMatch(/inmesh_endpoints\{/);
    expect(text).not.toMatch(/inmesh_retries_total\{.*canary/);
    expect(text).not.toContain('NaN');
  });

  it('writes histograms in seconds, with cumulative buckets', async () => {
    const target = new client.Registry();
    attachPrometheus(filledRegistry(), target);
    const lines = (await target.getSingleMetricAsString('inmesh_call_duration_seconds')).split('\n');
    expect(lines.slice(0, 2)).toEqual([
      '# HELP inmesh_call_duration_seconds Duration of calls to the last byte of the reply.',
      '# TYPE inmesh_call_duration_seconds histogram',
    ]);
    expect(lines.slice(2)).toEqual([
      ...['0.005', '0.01', '0.025'].map((le) => `inmesh_call_duration_seconds_bucket{le="${le}",service="reviews"} 0`),
      ...['0.05', '0.075', '0.1', '0.25', '0.5', '0.75', '1', '2.5', '5', '7.5', '10'].map(
        (le) => `inmesh_call_duration_seconds_bucket{le="${le}",service="reviews"} 1`,
      ),
      'inmesh_call_duration_seconds_bucket{le="+Inf",service="reviews"} 2',
      'inmesh_call_duration_seconds_sum{service="reviews"} 20.03',
      'inmesh_call_duration_seconds_count{service="reviews"} 2',
    ]);
  });

  it('takes default labels, and is merged with other registries', async () => {
    const target = new client.Registry();
    target.setDefaultLabels({ app: 'productpage' });
    attachPrometheus(filledRegistry(), target);
    expect(await target.metrics()).toContain('inmesh_calls_in_flight{service="reviews",app="productpage"} 3');
    const other = new client.Registry();
    new client.Gauge({ name: 'other', help: 'other', registers: [other] }).set(1);
    const merged = await client.Registry.merge([target, other]).metrics();
    expect(merged).toContain('inmesh_calls_in_flight{service="reviews"} 3');
    expect(merged).toContain('other 1');
  });

  it('writes OpenMetrics, scrape after scrape', async () => {
    const target = new client.Registry<promClient.OpenMetricsContentType>();
    target.setContentType(client.Registry.OPENMETRICS_CONTENT_TYPE);
    attachPrometheus(filledRegistry(), target);
    await target.metrics();
    const lines = (await target.metrics()).split('\n');
    expect(lines).toContain('# TYPE inmesh_retries counter');
    expect(lines).toContain('inmesh_retries_total{service="reviews"} 0');
  });

  it('reads the counts at every scrape, and keeps them over a reset of the client', async () => {
    const target = new client.Registry();
    const registry = filledRegistry();
    attachPrometheus(registry, target);
    registry.series({ service: 'reviews' }).retries += 5;
    target.resetMetrics();
    expect(await target.metrics()).toContain('inmesh_retries_total{service="reviews"} 5');
  });

  it('detaches, and can attach again', async () => {
    const target = new client.Registry();
    const registry = filledRegistry();
    attachPrometheus(registry, target)();
    expect((await target.metrics()).trim()).toBe('');
    attachPrometheus(registry, target);
    expect(await target.metrics()).toContain('inmesh_calls_total');
  });

  it('leaves nothing behind when a name is taken', async () => {
    const target = new client.Registry();
    new client.Gauge({ name: 'inmesh_endpoints', help: 'taken', registers: [target] }).set(1);
    expect(() => attachPrometheus(filledRegistry(), target)).toThrow('already been registered');
    expect(target.getMetricsAsArray()).toHaveLength(1);
  });
});
