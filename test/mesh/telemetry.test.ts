import { SpanKind } from '@opentelemetry/api';
import type { InMemorySpanExporter, ReadableSpan } from '@opentelemetry/sdk-trace';
import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import { createMesh, type Mesh } from '../../src/index.ts';
import { Bench } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { startTraceSdk, stopSdk } from '../telemetry/otel-sdk.ts';
import { clients } from './clients.ts';
import { codeOf } from './code-of.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

/** The value of a line of Prometheus, by its name with labels. */
async function scrape(mesh: Mesh): Promise<(line: string) => number | undefined> {
  const prometheus = new PrometheusRegistry();
  const detach = mesh.metrics.attach(prometheus);
  const lines = (await prometheus.metrics()).split('\n');
  detach();
  return (line) => {
    const found = lines.find((one) => one.startsWith(`${line} `));
    return found === undefined ? undefined : Number(found.slice(line.length + 1));
  };
}

describe('metrics', () => {
  it('count what was called, over real sockets', async () => {
    let refused = false;
    const { address } = await bench.server((request, response) => {
      const refuse = request.url === '/once' && !refused;
      refused ||= refuse;
      response.writeHead(request.url === '/broken' ? 500 : refuse ? 503 : 200).end('x');
    });
    const mesh = await bench.mesh([address], { outlierDetection: { disabled: true } });
    for (const path of ['/', '/', '/', '/', '/broken', '/once']) {
      const { body } = await mesh.request(`http://reviews${path}`, { mesh: { retries: path === '/once' ? 1 : 0 } });
      await body.text();
    }
    const value = await scrape(mesh);
    const failed = 'service="reviews",outcome="failure",status="5xx",cause="status"';
    expect(value('inmesh_calls_total{service="reviews",outcome="success",status="2xx"}')).toBe(5);
    expect(value(`inmesh_calls_total{${failed}}`)).toBe(1);
    expect(value('inmesh_attempts_total{service="reviews",outcome="success",status="2xx"}')).toBe(5);
    expect(value(`inmesh_attempts_total{${failed}}`)).toBe(2);
    expect(value('inmesh_retries_total{service="reviews"}')).toBe(1);
    expect(value('inmesh_call_duration_seconds_count{service="reviews"}')).toBe(6);
    expect(value('inmesh_attempt_duration_seconds_count{service="reviews"}')).toBe(7);
    expect(value('inmesh_calls_in_flight{service="reviews"}')).toBe(0);
    expect(value('inmesh_endpoints{service="reviews"}')).toBe(1);
    expect(value('inmesh_pool_connections{service="reviews"}')).toBeGreaterThan(0);
    expect(value('inmesh_pool_running{service="reviews"}')).toBe(0);
  });

  it('see a call until its last byte', async () => {
    let finish = () => {};
    const { address } = await bench.server((_request, response) => {
      response.write('first');
      finish = () => response.end(' last');
    });
    const mesh = await bench.mesh([address]);
    const { body } = await mesh.request('http://reviews/');
    const during = await scrape(mesh);
    expect(during('inmesh_calls_in_flight{service="reviews"}')).toBe(1);
    expect(during('inmesh_pool_running{service="reviews"}')).toBe(1);
    expect(during('inmesh_attempts_total{service="reviews",outcome="success",status="2xx"}')).toBe(1);
    expect(during('inmesh_call_duration_seconds_count{service="reviews"}')).toBe(0);
    finish();
    await body.text();
    const later = await scrape(mesh);
    expect(later('inmesh_calls_in_flight{service="reviews"}')).toBe(0);
    expect(later('inmesh_call_duration_seconds_count{service="reviews"}')).toBe(1);
  });

  it('show the state of a circuit breaker, and none where there is none', async () => {
    const { address } = await bench.server((_request, response) => void response.writeHead(500).end());
    const plain = await bench.mesh([address]);
    expect((await scrape(plain))('inmesh_circuit_breaker_state{service="reviews"}')).toBeUndefined();
    const mesh = await bench.mesh([address], { circuitBreaker: { consecutiveErrors: 1 } });
    expect((await scrape(mesh))('inmesh_circuit_breaker_state{service="reviews"}')).toBe(0);
    await mesh.request('http://reviews/', { mesh: { retries: 0 } });
    expect(await mesh.request('http://reviews/').catch(codeOf)).toBe('INMESH_CIRCUIT_OPEN');
    expect((await scrape(mesh))('inmesh_circuit_breaker_state{service="reviews"}')).toBe(2);
  });

  it('show none any more when a reload takes the circuit breaker away', async () => {
    const documentWith = (trafficPolicy: object) => ({ services: [{ host: 'reviews', trafficPolicy }] });
    const registry = new MemoryRegistry(documentWith({ circuitBreaker: {} }));
    const mesh = await createMesh({ service: 'productpage', registry });
    bench.onClose(() => mesh.close());
    expect((await scrape(mesh))('inmesh_circuit_breaker_state{service="reviews"}')).toBe(0);
    await registry.setDocument(documentWith({}));
    expect((await scrape(mesh))('inmesh_circuit_breaker_state{service="reviews"}')).toBeUndefined();
  });
});

describe('tracing', () => {
  let exporter: InMemorySpanExporter;
  beforeEach(() => {
    exporter = startTraceSdk();
  });
  afterEach(stopSdk);

  /** `reviews`, which refuses each first request of a path; and the traceparents that it got. */
  async function open() {
    const parents: string[] = [];
    const seen = new Set<string>();
    const { address } = await bench.server((request, response) => {
      const { traceparent } = request.headersDistinct;
      expect(traceparent).toHaveLength(1);
      parents.push(traceparent?.[0] as string);
      const again = seen.has(request.url as string);
      seen.add(request.url as string);
      response.writeHead(again ? 200 : 503).end('ok');
    });
    const mesh = await bench.mesh([address], { outlierDetection: { disabled: true } });
    return { mesh, parents };
  }

  function spansOf(kind: SpanKind): ReadableSpan[] {
    return exporter.getFinishedSpans().filter((span) => span.kind === kind);
  }

  it.each(clients)('has one span a call and one an attempt, each with its own traceparent: %s', async (_name, send) => {
    const { mesh, parents } = await open();
    expect(await send(mesh, 'http://reviews/42')).toEqual({ status: 200, text: 'ok' });
    const [call, ...others] = spansOf(SpanKind.INTERNAL);
    expect([call?.name, others]).toEqual(['GET reviews', []]);
    const attempts = spansOf(SpanKind.CLIENT);
    expect(attempts.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
      [call, call].map((span) => span?.spanContext().spanId),
    );
    expect(parents).toEqual(attempts.map((span) => `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`));
  });

  it('has none for a call that never left the process but its own', async () => {
    const mesh = await bench.mesh([]);
    expect(await mesh.request('http://reviews/').catch(codeOf)).toBe('INMESH_NO_ENDPOINT');
    expect([spansOf(SpanKind.INTERNAL).length, spansOf(SpanKind.CLIENT).length]).toEqual([1, 0]);
  });

  it('has no spans and no headers when it is off', async () => {
    const { address } = await bench.server((request, response) => {
      response.end(String(request.headers.traceparent));
    });
    const mesh = await bench.mesh([address], undefined, { tracing: 'off' });
    expect(await (await mesh.fetch('http://reviews/')).text()).toBe('undefined');
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});
