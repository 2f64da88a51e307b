import { afterEach, describe, expect, it } from 'vitest';
import type { MeshDocument } from '../../src/config/schema.ts';
import { events } from '../../src/core/events.ts';
import type { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import { codeOf } from './code-of.ts';
import {
  reviews,
  type ServiceDocument,
  type TrafficPolicy,
  type VirtualMesh,
  type VirtualMeshOptions,
  virtualMesh,
} from './virtual-mesh.ts';

const [a, b, c] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'] as const;
const slow = { latency: 100 };

let virtual: VirtualMesh<MemoryRegistry>;
afterEach(() => virtual.close());

async function open(service: ServiceDocument, options: VirtualMeshOptions = {}) {
  virtual = await virtualMesh({ services: [service] }, { defaultProfile: slow, ...options });
  return virtual;
}

async function reload(...services: ServiceDocument[]): Promise<void> {
  expect(await virtual.registry.setDocument({ services } satisfies MeshDocument)).toEqual({ accepted: true });
  await virtual.clock.advance(0);
}

/** A call without retries that took `ms`. */
async function call(ms = 100): Promise<number | string> {
  const reply = virtual.mesh.request('http://reviews/', { mesh: { retries: false } });
  const settled = reply.then(({ statusCode }) => statusCode, codeOf);
  await virtual.clock.advance(ms);
  return settled;
}

/** Calls until `b`, which fails, is ejected. */
async function eject(): Promise<void> {
  for (let calls = 0; calls < 100 && virtual.endpoints()[b]?.healthy; calls++) await call();
  expect(virtual.endpoints()[b]).toMatchObject({ healthy: false });
}

const failingB: VirtualMeshOptions = { endpoints: { [b]: { latency: 1, status: 500 } } };
const strict: TrafficPolicy = {
  loadBalancer: { simple: 'ROUND_ROBIN' },
  outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: '300s' },
};

describe('a reload of endpoints', () => {
  it('keeps pools, load and ejection of those that stay', async () => {
    await open(reviews([a, b], strict), failingB);
    await eject();
    const inFlight = virtual.mesh.request('http://reviews/');
    expect(virtual.endpoints()[a]).toMatchObject({ inFlight: 1 });
    await reload(reviews([a, b, c], strict));
    expect(virtual.endpoints()).toEqual({
      [a]: { healthy: true, inFlight: 1 },
      [b]: { healthy: false, inFlight: 0 },
      [c]: { healthy: true, inFlight: 0 },
    });
    expect(virtual.pools).toEqual([a, b, c]);
    await virtual.clock.advance(100);
    expect((await inFlight).statusCode).toBe(200);
  });

  it('lets an endpoint that goes finish what it has, and gives it nothing new', async () => {
    await open(reviews([a]));
    const before = virtual.mesh.request('http://reviews/before');
    await reload(reviews([b]));
    const after = virtual.mesh.request('http://reviews/after');
    await virtual.clock.advance(100);
    expect([(await before).statusCode, (await after).statusCode]).toEqual([200, 200]);
    expect(virtual.network.received.map(({ path, endpoint }) => [path, endpoint])).toEqual([
      ['/before', a],
      ['/after', b],
    ]);
  });

  it('knows nothing of an endpoint that went and came back', async () => {
    await open(reviews([a, b], strict), failingB);
    await eject();
    await reload(reviews([a], strict));
    await reload(reviews([a, b], strict));
    expect(virtual.endpoints()[b]).toEqual({ healthy: true, inFlight: 0 });
    expect(virtual.pools).toEqual([a, b, b]);
  });

  it('moves an endpoint to another subset with its load and its pool', async () => {
    const subsets = ['v1', 'v2'].map((version) => ({ name: version, labels: { version } }));
    const labelled = (version: string) => ({
      host: 'reviews',
      subsets,
      endpoints: [{ address: a, labels: { version } }],
    });
    await open(labelled('v1'));
    const of = (subset: string) =>
      virtual.mesh.request('http://reviews/', { mesh: { subset } }).then(({ statusCode }) => statusCode, codeOf);
    const first = of('v1');
    const second = of('v2');
    await reload(labelled('v2'));
    expect(virtual.endpoints()).toEqual({ [a]: { healthy: true, inFlight: 1 } });
    const third = of('v1');
    const fourth = of('v2');
    await virtual.clock.advance(100);
    expect(await Promise.all([first, second, third, fourth])).toEqual([
      200,
      'INMESH_NO_ENDPOINT',
      'INMESH_NO_ENDPOINT',
      200,
    ]);
    expect(virtual.pools).toEqual([a]);
  });

  it('announces what was added and removed, and nothing when nothing was', async () => {
    const told: unknown[] = [];
    const listen = (message: unknown) => void told.push(message);
    await open(reviews([a, b]));
    events.endpoints.subscribe(listen);
    await reload(reviews([a, b]));
    await reload(reviews([b, c]));
    events.endpoints.unsubscribe(listen);
    expect(told).toEqual([{ service: 'reviews', added: 1, removed: 1, total: 2 }]);
  });
});

describe('a reload of the traffic policy', () => {
  it('replaces nothing when it says the same in another order', async () => {
    await open(reviews([a, b], { ...strict, timeout: '3s' }), failingB);
    await eject();
    await reload(reviews([b, a], { timeout: '3s', ...strict }));
    expect(virtual.pools).toEqual([a, b]);
    expect(virtual.endpoints()[b]).toMatchObject({ healthy: false });
  });

  it.each<[string, TrafficPolicy]>([
    ['load balancer', { loadBalancer: { simple: 'LEAST_REQUEST' } }],
    ['retry budget', { retryBudget: { percent: 50 } }],
    ['circuit breaker', { circuitBreaker: { consecutiveErrors: 50 } }],
    ['timeout', { timeout: '9s' }],
    ['limits', { connectionPool: { http: { http2MaxRequests: 5 } } }],
  ])('keeps pools, load and ejections when the %s changes', async (_part, changed) => {
    await open(reviews([a, b], strict), failingB);
    await eject();
    const inFlight = virtual.mesh.request('http://reviews/');
    await reload(reviews([a, b], { ...strict, ...changed }));
    expect(virtual.endpoints()).toEqual({ [a]: { healthy: true, inFlight: 1 }, [b]: { healthy: false, inFlight: 0 } });
    expect(virtual.pools).toEqual([a, b]);
    await virtual.clock.advance(100);
    expect((await inFlight).statusCode).toBe(200);
    expect(virtual.endpoints()[a]).toEqual({ healthy: true, inFlight: 0 });
  });

  it('ends ejections when outlier detection changes, and keeps the pools', async () => {
    await open(reviews([a, b], strict), failingB);
    await eject();
    await reload(reviews([a, b], { ...strict, outlierDetection: { disabled: true } }));
    expect(virtual.endpoints()[b]).toMatchObject({ healthy: true });
    expect(virtual.pools).toEqual([a, b]);
    await reload(reviews([a, b], strict));
    await eject();
  });

  it('makes new pools when the connections change; the old ones finish what they have', async () => {
    await open(reviews([a]));
    const before = virtual.mesh.request('http://reviews/');
    await reload(reviews([a], { connectionPool: { tcp: { connectTimeout: '1s' } } }));
    expect(virtual.pools).toEqual([a, a]);
    expect(virtual.endpoints()).toEqual({ [a]: { healthy: true, inFlight: 1 } });
    const after = virtual.mesh.request('http://reviews/');
    await virtual.clock.advance(100);
    expect([(await before).statusCode, (await after).statusCode]).toEqual([200, 200]);
  });

  it('holds for the calls that come after it, not for those under way', async () => {
    await open(reviews([a], { timeout: '50ms' }));
    const before = virtual.mesh.request('http://reviews/').catch(codeOf);
    await reload(reviews([a], { timeout: '200ms' }));
    const after = virtual.mesh.request('http://reviews/');
    await virtual.clock.advance(100);
    expect(await before).toBe('INMESH_TIMEOUT');
    expect((await after).statusCode).toBe(200);
  });

  it('keeps an open circuit breaker unless the breaker changed', async () => {
    const breaker: TrafficPolicy = { circuitBreaker: { consecutiveErrors: 1, openTime: '60s' } };
    await open(reviews([a], breaker), { endpoints: { [a]: { latency: 1, status: 500 } } });
    const state = () => virtual.mesh.status().services[0]?.circuitBreaker;
    expect([await call(), await call(), state()]).toEqual([500, 'INMESH_CIRCUIT_OPEN', 'open']);
    await reload(reviews([a, b], { ...breaker, timeout: '1s' }));
    expect([await call(), state()]).toEqual(['INMESH_CIRCUIT_OPEN', 'open']);
    await reload(reviews([a], { circuitBreaker: { consecutiveErrors: 2 } }));
    expect([await call(), state()]).toEqual([500, 'closed']);
    await reload(reviews([a]));
    expect([await call(), state()]).toEqual([500, undefined]);
  });
});

describe('a reload without the service', () => {
  it('refuses new calls, and finishes those in flight', async () => {
    await open(reviews([a]));
    const before = virtual.mesh.request('http://reviews/');
    await reload({ host: 'ratings', endpoints: [{ address: b }] });
    expect(await call(0)).toBe('INMESH_UNKNOWN_HOST');
    await virtual.clock.advance(100);
    expect((await before).statusCode).toBe(200);
  });

  it('ends the calls that wait for it, and those that would try again', async () => {
    const one: TrafficPolicy = { connectionPool: { tcp: { maxConnections: 1 } } };
    await open(reviews([a], one), { endpoints: { [a]: { latency: 100, status: 503 } } });
    const first = virtual.mesh.request('http://reviews/').then(({ statusCode }) => statusCode, codeOf);
    const waiting = virtual.mesh.request('http://reviews/').then(({ statusCode }) => statusCode, codeOf);
    await reload();
    await virtual.clock.advance(5_000);
    // The first has an answer of the service, which says more.
    expect(await Promise.all([first, waiting])).toEqual([503, 'INMESH_NO_ENDPOINT']);
    expect(virtual.network.received).toHaveLength(1);
  });

  it.each([
    [1, 2],
    [2, 1],
  ])(
    'keeps a subset that went for the calls on their way to it, until the next change: %i reloads',
    async (reloads, sent) => {
      await open(
        { ...reviews([a]), subsets: [{ name: 'all', labels: {} }] },
        { endpoints: { [a]: { latency: 1, status: 503, headers: { 'retry-after': '1' } } } },
      );
      const call = virtual.mesh.request('http://reviews/', { mesh: { subset: 'all', retries: 1 } });
      await virtual.clock.advance(10);
      for (let reloaded = 1; reloaded <= reloads; reloaded++) await reload(reviews([a], { timeout: `${reloaded}h` }));
      await virtual.clock.advance(2_000);
      expect((await call).statusCode).toBe(503);
      expect(virtual.network.received).toHaveLength(sent);
    },
  );

  it('forgets a subset with it: to ask for it by name is an error', async () => {
    const service = { ...reviews([a]), subsets: [{ name: 'all', labels: {} }] };
    await open(service);
    const ofSubset = () => virtual.mesh.request('http://reviews/', { mesh: { subset: 'all' } });
    const known = ofSubset();
    await reload(reviews([a]));
    await expect(ofSubset()).rejects.toThrow('reviews has no subset all');
    await reload(service);
    const again = ofSubset();
    await virtual.clock.advance(100);
    expect([(await known).statusCode, (await again).statusCode]).toEqual([200, 200]);
  });
});
