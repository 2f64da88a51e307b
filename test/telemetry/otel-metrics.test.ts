import { afterEach, describe, expect, it } from 'vitest';
import { MeshError } from '../../src/core/errors.ts';
import { failure, success } from '../../src/core/outcome.ts';
import { MetricsRegistry } from '../../src/telemetry/metrics-registry.ts';
import { OtelMetrics } from '../../src/telemetry/otel-metrics.ts';
import { makeAttempt, makeCall } from './operations.ts';
import { startMetricsSdk, stopSdk } from './otel-sdk.ts';

describe('OtelMetrics', () => {
  afterEach(stopSdk);

  function create(clientDuration = true) {
    const registry = new MetricsRegistry();
    const series = registry.series({ service: 'reviews' });
    return { series, otel: new OtelMetrics({ registry, clientDuration }) };
  }

  it('exports counters and gauges when they are collected', async () => {
    const { collect } = startMetricsSdk();
    const { series } = create();
    series.calls.add(success, 200);
    series.callsInFlight = 2;
    const exported = await collect();
    expect(exported.get('inmesh.calls')).toMatchObject([
      { value: 1, attributes: { service: 'reviews', outcome: 'success', status: '2xx' } },
    ]);
    expect(exported.get('inmesh.calls_in_flight')).toMatchObject([{ value: 2, attributes: { service: 'reviews' } }]);
    expect(exported.has('inmesh.endpoints')).toBe(false);
  });

  it('records durations as histograms with the buckets of the conventions', async () => {
    const { collect } = startMetricsSdk();
    const { series, otel } = create();
    const attempt = makeAttempt(makeCall({ method: 'BREW' }));
    otel.recordCall(series, success, 30);
    otel.recordAttempt(attempt, 200, success, undefined, 30);
    otel.recordAttempt(attempt, undefined, failure('timeout'), new MeshError('INMESH_ATTEMPT_TIMEOUT', 'late'), 20_000);
    const exported = await collect();
    expect(exported.get('inmesh.call_duration')).toMatchObject([
      { attributes: { service: 'reviews', outcome: 'success' }, value: { sum: 0.03, count: 1 } },
    ]);
    expect(exported.get('http.client.request.duration')).toMatchObject([
      {
        attributes: {
          'http.request.method': '_OTHER',
          'server.address': 'reviews',
          'http.response.status_code': 200,
        },
        value: { count: 1, buckets: { boundaries: expect.arrayContaining([0.005, 10]) } },
      },
      { attributes: { 'error.type': 'INMESH_ATTEMPT_TIMEOUT' }, value: { sum: 20 } },
    ]);
  });

  it('leaves http.client.request.duration to others when told to', async () => {
    const { collect } = startMetricsSdk();
    const { otel } = create(false);
    otel.recordAttempt(makeAttempt(makeCall()), 200, success, undefined, 30);
    expect((await collect()).has('http.client.request.duration')).toBe(false);
  });

  it('follows a provider that is registered after it was created, and one that replaces it', async () => {
    const { series, otel } = create();
    otel.recordCall(series, success, 1);
    const first = startMetricsSdk();
    otel.recordCall(series, success, 1);
    expect((await first.collect()).get('inmesh.call_duration')).toMatchObject([{ value: { count: 1 } }]);
    stopSdk();
    const second = startMetricsSdk();
    otel.recordCall(series, success, 1);
    series.callsInFlight = 9;
    expect((await second.collect()).get('inmesh.calls_in_flight')).toMatchObject([{ value: 9 }]);
    expect((await first.collect()).get('inmesh.calls_in_flight')).toMatchObject([{ value: 0 }]);
  });

  it('exports nothing more once it is closed', async () => {
    const { collect } = startMetricsSdk();
    const { series, otel } = create();
    otel.close();
    otel.recordCall(series, success, 1);
    expect((await collect()).size).toBe(0);
  });
});
