import { afterEach, describe, expect, it } from 'vitest';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { seededRandom } from '../../src/core/random.ts';
import { codeOf } from './code-of.ts';
import { reviews, type VirtualMesh, type VirtualMeshOptions, virtualMesh } from './virtual-mesh.ts';

const [a, b, c] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'] as const;
const slow = { latency: 100 };

let virtual: VirtualMesh;
afterEach(() => virtual.close());

type Limits = { perEndpoint?: number; perService?: number; pending?: number };

function limits({ perEndpoint = 128, perService = 1024, pending = 1024 }: Limits) {
  return {
    tcp: { maxConnections: perEndpoint },
    http: { http2MaxRequests: perService, http1MaxPendingRequests: pending },
  };
}

async function open(addresses: readonly string[], limited: Limits, options: VirtualMeshOptions = {}) {
  const document = { services: [reviews(addresses, { connectionPool: limits(limited) })] };
  const opened = await virtualMesh(document, { defaultProfile: slow, ...options });
  virtual = opened;
  return opened;
}

/** Calls `/1` to `/count` at once; the codes or statuses come when time moves on. */
function callAll({ mesh }: VirtualMesh, count: number, url = 'http://reviews'): Promise<(number | string)[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      mesh.request(`${url}/${index + 1}`).then(({ statusCode }) => statusCode, codeOf),
    ),
  );
}

function paths({ network }: VirtualMesh): string[] {
  return network.received.map(({ path }) => path);
}

describe('a cluster', () => {
  it('sends no more to one endpoint than its cap, and the rest in order of arrival as room comes', async () => {
    const { clock } = await open([a], { perEndpoint: 2 });
    const calls = callAll(virtual, 5);
    await clock.advance(0);
    expect(paths(virtual)).toEqual(['/1', '/2']);
    expect(virtual.endpoints()).toEqual({ [a]: { healthy: true, inFlight: 2 } });
    await clock.advance(100);
    expect(paths(virtual)).toEqual(['/1', '/2', '/3', '/4']);
    await clock.advance(200);
    expect(await calls).toEqual([200, 200, 200, 200, 200]);
    expect(paths(virtual)).toEqual(['/1', '/2', '/3', '/4', '/5']);
  });

  it('uses the room of every endpoint before anybody waits', async () => {
    const { clock, network } = await open([a, b, c], { perEndpoint: 2 });
    const calls = callAll(virtual, 7);
    await clock.advance(0);
    expect(virtual.endpoints()).toMatchObject({ [a]: { inFlight: 2 }, [b]: { inFlight: 2 }, [c]: { inFlight: 2 } });
    expect(network.received).toHaveLength(6);
    await clock.advance(200);
    expect(new Set(await calls)).toEqual(new Set([200]));
  });

  it('sends no more to a service than its cap, whatever its endpoints could take', async () => {
    const { clock } = await open([a, b, c], { perService: 2 });
    const calls = callAll(virtual, 4);
    await clock.advance(0);
    expect(paths(virtual)).toEqual(['/1', '/2']);
    await clock.advance(100);
    expect(paths(virtual)).toEqual(['/1', '/2', '/3', '/4']);
    await clock.advance(100);
    expect(await calls).toEqual([200, 200, 200, 200]);
  });

  it('holds nobody up who wants another subset than the one that is full', async () => {
    const endpoints = [
      { address: a, labels: { version: 'v1' } },
      { address: b, labels: { version: 'v2' } },
    ];
    const subsets = ['v1', 'v2'].map((version) => ({ name: version, labels: { version } }));
    const trafficPolicy = { connectionPool: limits({ perEndpoint: 1 }) };
    virtual = await virtualMesh(
      { services: [{ host: 'reviews', endpoints, subsets, trafficPolicy }] },
      { defaultProfile: slow },
    );
    const { mesh, clock } = virtual;
    const full = ['/1', '/2', '/3'].map((path) => mesh.request(`http://reviews${path}`, { mesh: { subset: 'v1' } }));
    const free = mesh.request('http://reviews/4', { mesh: { subset: 'v2' } });
    await clock.advance(100);
    expect((await free).statusCode).toBe(200);
    expect(paths(virtual)).toEqual(['/1', '/4', '/2']);
    await clock.advance(200);
    expect((await Promise.all(full)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
  });

  it('refuses with INMESH_OVERFLOW when as many wait as may', async () => {
    const { clock } = await open([a], { perEndpoint: 1, pending: 1 });
    const calls = callAll(virtual, 3);
    await clock.advance(300);
    expect(await calls).toEqual([200, 200, 'INMESH_OVERFLOW']);
  });

  it('refuses at once what finds no room when nobody may wait', async () => {
    const { clock } = await open([a, b], { perEndpoint: 1, pending: 0 });
    const calls = callAll(virtual, 3);
    await clock.advance(100);
    expect(await calls).toEqual([200, 200, 'INMESH_OVERFLOW']);
  });

  it('forgets a call that is cancelled while it waits, and lets the next one in', async () => {
    const { clock, mesh } = await open([a], { perEndpoint: 1 });
    const controller = new AbortController();
    const first = mesh.request('http://reviews/1');
    const given = mesh.request('http://reviews/2', { signal: controller.signal });
    const third = mesh.request('http://reviews/3');
    controller.abort(new Error('no longer'));
    await expect(given).rejects.toThrow('no longer');
    await clock.advance(200);
    expect([(await first).statusCode, (await third).statusCode]).toEqual([200, 200]);
    expect(paths(virtual)).toEqual(['/1', '/3']);
  });

  it('ends a call that waits beyond its time, without an attempt', async () => {
    const { clock, mesh } = await open([a], { perEndpoint: 1 });
    const first = mesh.request('http://reviews/1');
    const waiting = mesh.request('http://reviews/2', { mesh: { timeoutMs: 50 } }).catch((error: unknown) => error);
    await clock.advance(100);
    expect(await waiting).toMatchObject({ code: 'INMESH_TIMEOUT', attempts: 0 });
    expect((await first).statusCode).toBe(200);
    expect(paths(virtual)).toEqual(['/1']);
  });

  it('says at once that there is no endpoint, to those who come and those who wait', async () => {
    const { clock, registry, mesh } = await open([a], { perEndpoint: 1 });
    const calls = callAll(virtual, 3);
    await registry.setDocument({ services: [reviews([], { connectionPool: limits({ perEndpoint: 1 }) })] });
    await clock.advance(0);
    expect(await mesh.request('http://reviews/').catch(codeOf)).toBe('INMESH_NO_ENDPOINT');
    await clock.advance(100);
    expect(await calls).toEqual([200, 'INMESH_NO_ENDPOINT', 'INMESH_NO_ENDPOINT']);
  });

  it('lets those who wait go on when an endpoint is added, and when the cap is raised', async () => {
    const { clock, registry } = await open([a], { perEndpoint: 1 });
    const calls = callAll(virtual, 5);
    await registry.setDocument({ services: [reviews([a, b], { connectionPool: limits({ perEndpoint: 1 }) })] });
    await clock.advance(0);
    expect(paths(virtual)).toEqual(['/1', '/2']);
    await registry.setDocument({ services: [reviews([a, b], { connectionPool: limits({ perEndpoint: 2 }) })] });
    await clock.advance(0);
    expect(paths(virtual)).toEqual(['/1', '/2', '/3', '/4']);
    await clock.advance(200);
    expect(await calls).toEqual([200, 200, 200, 200, 200]);
  });

  it('tries every endpoint before it comes back to one', async () => {
    const failing = { latency: 1, status: 503 };
    const { clock, network, mesh } = await open([a, b, c], {}, { defaultProfile: failing });
    const calls = Array.from({ length: 5 }, () => mesh.request('http://reviews/', { mesh: { retries: 2 } }));
    await clock.advance(2_000);
    expect((await Promise.all(calls)).map(({ statusCode }) => statusCode)).toEqual([503, 503, 503, 503, 503]);
    const byCall = Map.groupBy(network.attempts, ({ call }) => call);
    for (const attempts of byCall.values()) expect(new Set(attempts.map(({ member }) => member)).size).toBe(3);
  });

  it('takes an untried endpoint with room when the one that was picked is at its cap', async () => {
    const endpoints = [{ address: a, labels: { name: 'a' } }, { address: b, labels: { name: 'b' } }, { address: c }];
    const subsets = ['a', 'b'].map((name) => ({ name, labels: { name } }));
    const trafficPolicy = {
      connectionPool: limits({ perEndpoint: 1 }),
      loadBalancer: { simple: 'RANDOM' as const },
      outlierDetection: { disabled: true },
    };
    for (let seed = 1; seed <= 20; seed++) {
      virtual = await virtualMesh(
        { services: [{ host: 'reviews', endpoints, subsets, trafficPolicy }] },
        {
          random: seededRandom(seed),
          endpoints: { [a]: { latency: 1, status: 503 }, [b]: { latency: 500 }, [c]: { latency: 1, status: 503 } },
        },
      );
      const { mesh, clock, network, close } = virtual;
      const blocking = mesh.request('http://reviews/', { mesh: { subset: 'b' } });
      const call = mesh.request('http://reviews/', { mesh: { retries: 1 } });
      await clock.advance(500);
      await Promise.all([blocking, call]);
      expect(network.received.map(({ endpoint }) => endpoint).sort()).toEqual([a, b, c]);
      await close();
    }
  });

  it('comes back to an endpoint that was tried when the others are at their cap', async () => {
    const endpoints = [{ address: a }, { address: b, labels: { name: 'b' } }];
    const subsets = [{ name: 'b', labels: { name: 'b' } }];
    const trafficPolicy = { connectionPool: limits({ perEndpoint: 1 }) };
    virtual = await virtualMesh(
      { services: [{ host: 'reviews', endpoints, subsets, trafficPolicy }] },
      { endpoints: { [a]: { latency: 1, status: 503 }, [b]: { latency: 2_000 } } },
    );
    const { mesh, clock, network } = virtual;
    const blocking = mesh.request('http://reviews/', { mesh: { subset: 'b' } });
    const call = mesh.request('http://reviews/', { mesh: { retries: 1 } });
    await clock.advance(1_000);
    expect((await call).statusCode).toBe(503);
    expect(network.received.map(({ endpoint }) => endpoint)).toEqual([b, a, a]);
    await clock.advance(1_000);
    await blocking;
  });
});

describe('a cluster that is full', () => {
  it('sends nothing to draining endpoints, and no more than its cap to the others', async () => {
    const { clock, registry, network } = await open([], { perEndpoint: 1 });
    await registry.setEndpoints('reviews', [
      makeEndpoint({ host: '10.0.0.1', port: 80 }),
      makeEndpoint({ host: '10.0.0.2', port: 80, state: 'draining' }),
    ]);
    const calls = callAll(virtual, 3);
    await clock.advance(0);
    expect(virtual.endpoints()).toMatchObject({ [a]: { inFlight: 1 }, [b]: { inFlight: 0 } });
    await clock.advance(300);
    expect(await calls).toEqual([200, 200, 200]);
    expect(network.received.map(({ endpoint }) => endpoint)).toEqual([a, a, a]);
  });

  it('sends nothing to endpoints of weight 0', async () => {
    const endpoints = [{ address: a }, { address: b, weight: 0 }];
    const trafficPolicy = { connectionPool: limits({ perEndpoint: 1 }) };
    virtual = await virtualMesh(
      { services: [{ host: 'reviews', endpoints, trafficPolicy }] },
      { defaultProfile: slow },
    );
    const calls = callAll(virtual, 3);
    await virtual.clock.advance(300);
    expect(await calls).toEqual([200, 200, 200]);
    expect(virtual.network.received.map(({ endpoint }) => endpoint)).toEqual([a, a, a]);
  });

  it('sends nothing to ejected endpoints', async () => {
    const policy = { connectionPool: limits({ perEndpoint: 1 }), outlierDetection: { consecutive5xxErrors: 1 } };
    const opened = await virtualMesh(
      { services: [reviews([a, b], policy)] },
      { endpoints: { [a]: slow, [b]: { latency: 1, status: 500 } } },
    );
    virtual = opened;
    const { clock, mesh } = opened;
    while (opened.endpoints()[b]?.healthy) {
      const call = mesh.request('http://reviews/', { mesh: { retries: false } });
      await clock.advance(100);
      await call;
    }
    opened.network.received.length = 0;
    const calls = callAll(opened, 3);
    await clock.advance(300);
    expect(await calls).toEqual([200, 200, 200]);
    expect(opened.network.received.map(({ endpoint }) => endpoint)).toEqual([a, a, a]);
  });
});
