import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { events } from '../../src/core/events.ts';
import { codeOf } from './code-of.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, type VirtualMeshOptions, virtualMesh } from './virtual-mesh.ts';

const [a, b, c] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'] as const;
const fast = { latency: 1 };
const failing = { latency: 1, status: 500 };
const refusing = { faults: [{ kind: 'refuse-connection' as const }] };
const stalling = { faults: [{ kind: 'stall' as const }] };

let virtual: VirtualMesh;
const told: unknown[] = [];
const listen = (message: unknown) => void told.push(message);
afterEach(async () => {
  events.eject.unsubscribe(listen);
  events.uneject.unsubscribe(listen);
  told.length = 0;
  await virtual.close();
});

/** Two endpoints that take turns and are looked at each second; three failures in a row eject for 5 s. */
async function open(addresses: readonly string[], outlier: object, options: VirtualMeshOptions) {
  const policy: TrafficPolicy = {
    loadBalancer: { simple: 'ROUND_ROBIN' },
    outlierDetection: { consecutive5xxErrors: 3, interval: '1s', baseEjectionTime: '5s', ...outlier },
  };
  const opened = await virtualMesh({ services: [reviews(addresses, policy)] }, options);
  virtual = opened;
  events.eject.subscribe(listen);
  events.uneject.subscribe(listen);
  return opened;
}

/** Makes `count` calls without retries, one after the other; each takes `ms`. */
async function calls(count: number, overrides: object = {}, ms = 1): Promise<(number | string)[]> {
  const results: (number | string)[] = [];
  for (let made = 0; made < count; made++) {
    const reply = virtual.mesh.request('http://reviews/', { mesh: { retries: false, ...overrides } });
    const settled = reply.then(({ statusCode }) => statusCode, codeOf);
    await virtual.clock.advance(ms);
    results.push(await settled);
  }
  return results;
}

function healthy(): string[] {
  return Object.entries(virtual.endpoints()).flatMap(([address, member]) => (member.healthy ? [address] : []));
}

async function metric(line: string): Promise<string | undefined> {
  const prometheus = new PrometheusRegistry();
  const detach = virtual.mesh.metrics.attach(prometheus);
  const text = await prometheus.metrics();
  detach();
  return text.split('\n').find((one) => one.startsWith(line));
}

describe('an endpoint that fails several times in a row', () => {
  it('is ejected, which is announced and counted, and gets no calls until it returns after baseEjectionTime', async () => {
    const { clock, network } = await open([a, b], {}, { endpoints: { [a]: fast, [b]: failing } });
    await calls(6);
    expect(healthy()).toEqual([a]);
    expect(told).toEqual([{ service: 'reviews', endpoint: b, cause: 'consecutive-5xx', ejectionMs: 5_000 }]);
    expect(await metric('inmesh_ejections_total{service="reviews"}')).toMatch(/ 1$/);
    expect(await metric('inmesh_endpoints_ejected{service="reviews"}')).toMatch(/ 1$/);
    network.received.length = 0;
    expect(new Set(await calls(20))).toEqual(new Set([200]));
    expect(network.received.every(({ endpoint }) => endpoint === a)).toBe(true);
    network.setProfile(b, fast);
    await clock.advance(4_900);
    expect(healthy()).toEqual([a]);
    await clock.advance(1_000);
    expect(healthy()).toEqual([a, b]);
    expect(told[1]).toEqual({ service: 'reviews', endpoint: b });
    expect(await metric('inmesh_endpoints_ejected{service="reviews"}')).toMatch(/ 0$/);
    network.received.length = 0;
    await calls(4);
    expect(network.received.map(({ endpoint }) => endpoint).sort()).toEqual([a, a, b, b]);
  });

  it('is ejected for longer each time', async () => {
    const { clock } = await open([a, b], {}, { endpoints: { [a]: fast, [b]: failing } });
    await calls(6);
    await clock.advance(5_000);
    await calls(6);
    expect(told.map((message) => (message as { ejectionMs?: number }).ejectionMs)).toEqual([5_000, undefined, 10_000]);
  });

  it.each([
    ['refuses connections', refusing, {}, 'INMESH_CONNECT'],
    ['does not answer in time', stalling, { perTryTimeoutMs: 1 }, 'INMESH_ATTEMPT_TIMEOUT'],
  ])('is ejected when it %s', async (_what, profile, overrides, code) => {
    await open(
      [a, b],
      { consecutive5xxErrors: 0, consecutiveLocalOriginFailures: 3, failFast: false },
      { endpoints: { [a]: { latency: 0 }, [b]: profile } },
    );
    const results = await calls(6, overrides);
    expect(healthy()).toEqual([a]);
    expect(told).toMatchObject([{ endpoint: b, cause: 'consecutive-local-origin-failures' }]);
    // A connection that is refused costs nothing: the call goes to the other endpoint.
    expect(new Set(results)).toEqual(new Set(code === 'INMESH_CONNECT' ? [200] : [200, code]));
  });

  it('is not ejected for what its callers give up', async () => {
    await open([a, b], { consecutive5xxErrors: 1, consecutiveLocalOriginFailures: 1 }, { defaultProfile: stalling });
    for (let call = 0; call < 6; call++) {
      const controller = new AbortController();
      const given = virtual.mesh.request('http://reviews/', { signal: controller.signal }).catch(String);
      await virtual.clock.advance(1);
      controller.abort('no longer');
      expect(await given).toBe('no longer');
    }
    expect(told).toEqual([]);
  });

  it('leaves at least one, and no more than maxEjectionPercent are ejected', async () => {
    await open([a, b, c], { maxEjectionPercent: 100 }, { defaultProfile: failing });
    await calls(30);
    expect(healthy()).toHaveLength(1);
    await virtual.close();
    told.length = 0;
    await open([a, b, c], { maxEjectionPercent: 34 }, { defaultProfile: failing });
    await calls(30);
    expect(healthy()).toHaveLength(2);
  });

  it('is not ejected when it is the only one', async () => {
    await open([a], {}, { defaultProfile: failing });
    await calls(10);
    expect(healthy()).toEqual([a]);
    expect(told).toEqual([]);
  });

  it('gets calls again when too few are healthy to carry them all', async () => {
    const { network } = await open([a, b, c], { maxEjectionPercent: 100 }, { defaultProfile: failing });
    await calls(30);
    network.received.length = 0;
    await calls(6);
    expect(new Set(network.received.map(({ endpoint }) => endpoint))).toEqual(new Set([a, b, c]));
  });
});
