import { describe, expect, it, onTestFinished } from 'vitest';
import { events } from '../../src/core/events.ts';
import { type EndpointProfile, type Latency, latency, type Simulation, simulateMesh } from '../../src/testing/index.ts';
import type { TrafficPolicy } from './virtual-mesh.ts';

const addresses = Array.from({ length: 5 }, (_, index) => `10.0.0.${index + 1}:80`);

interface Load {
  readonly profiles?: Readonly<Record<number, EndpointProfile>>;
  readonly usual?: EndpointProfile;
  readonly policy?: TrafficPolicy;
  readonly endpoints?: number;
  /** By index. Default 1. */
  readonly weights?: Readonly<Record<number, number>>;
  /** Whether the last endpoint is a subset of its own. */
  readonly subsets?: boolean;
  /** By index. Default: none. */
  readonly localities?: Readonly<Record<number, string>>;
  /** Default 100. */
  readonly callsPerSecond?: number;
  /** Default 60. */
  readonly seconds?: number;
  readonly seed?: number;
}

/** Runs an even load, and gives the ejections: which endpoint, by what, after how many ms. */
async function ejectionsUnder(load: Load): Promise<{ endpoint: number; cause: string; at: number }[]> {
  const { profiles = {}, usual = { latency: 20 }, policy, endpoints = 5, callsPerSecond = 100, seconds = 60 } = load;
  const found: { endpoint: number; cause: string; at: number }[] = [];
  const used = addresses.slice(0, endpoints);
  const simulation: Simulation = await simulateMesh({
    document: {
      services: [
        {
          host: 'latency',
          endpoints: used.map((address, index) => ({
            address,
            labels: { version: index < used.length - 1 ? 'v1' : 'v2' },
            weight: load.weights?.[index] ?? 1,
            locality: load.localities?.[index] ?? 'eu/eu-1',
          })),
          subsets: (load.subsets ? ['v1', 'v2'] : []).map((version) => ({ name: version, labels: { version } })),
          trafficPolicy: {
            loadBalancer: { simple: 'ROUND_ROBIN' },
            ...policy,
            outlierDetection: { latency: {}, ...policy?.outlierDetection },
          },
        },
      ],
    },
    seed: load.seed ?? 1,
    endpoints: Object.fromEntries(Object.entries(profiles).map(([index, profile]) => [used[Number(index)], profile])),
    defaultProfile: usual,
  });
  const { clock } = simulation;
  const listener = (message: unknown) => {
    const { endpoint, cause } = message as { endpoint: string; cause: string };
    found.push({ endpoint: used.indexOf(endpoint), cause, at: clock.now() });
  };
  events.eject.subscribe(listener);
  onTestFinished(() => void events.eject.unsubscribe(listener));
  for (let call = 0; call < callsPerSecond * seconds; call++) {
    void simulation.mesh.request('http://latency/').then(
      ({ body }) => body.dump(),
      () => {},
    );
    await clock.advance(1_000 / callsPerSecond);
  }
  events.eject.unsubscribe(listener);
  await simulation.close({ timeoutMs: 1 });
  simulation.check();
  return found;
}

/** As usual but from `fromMs` to `untilMs`. */
function slowBetween(fromMs: number, untilMs: number, slow: Latency, usual: Latency = 20): EndpointProfile {
  return { latency: latency.overTime((now) => (now >= fromMs && now < untilMs ? slow : usual)) };
}

function mixture(share: number, slow: number, usual: number): EndpointProfile {
  return { latency: (random) => (random.next() < share ? slow : usual) };
}

describe('an endpoint that is much slower than the others', () => {
  it.each(['PEAK_EWMA', 'LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM'] as const)(
    'is ejected within two seconds when it stalls under %s, before its first answer',
    async (simple) => {
      const ejections = await ejectionsUnder({
        profiles: { 2: slowBetween(10_000, 50_000, 30_000, 150) },
        usual: { latency: 150 },
        policy: { loadBalancer: { simple } },
        callsPerSecond: 600,
        seconds: 20,
      });
      expect(ejections).toEqual([{ endpoint: 2, cause: 'latency', at: expect.any(Number) }]);
      expect(ejections[0]?.at).toBeLessThan(12_000);
    },
  );

  it('is ejected again, for longer, while it stays slow, and never with another in one interval', async () => {
    const slow = slowBetween(5_000, 1e9, 600);
    const ejections = await ejectionsUnder({ profiles: { 1: slow, 2: slow }, seconds: 120 });
    expect(new Set(ejections.map(({ endpoint }) => endpoint))).toEqual(new Set([1, 2]));
    expect(ejections.length).toBeGreaterThan(2);
    for (const [index, { at }] of ejections.entries()) {
      if (index > 0) expect(at - (ejections[index - 1]?.at as number)).toBeGreaterThanOrEqual(10_000);
    }
  });

  it('stays when the service has only two', async () => {
    expect(await ejectionsUnder({ profiles: { 1: { latency: 2_000 } }, endpoints: 2 })).toEqual([]);
  });

  it('stays when nothing is to be ejected', async () => {
    const policy = { outlierDetection: { maxEjectionPercent: 0 } };
    expect(await ejectionsUnder({ profiles: { 1: { latency: 2_000 } }, policy })).toEqual([]);
  });
});

describe('latency ejection leaves alone', () => {
  const seeds = [1, 2, 3, 4, 5];

  it.each(seeds)('endpoints whose latencies are far apart by chance alone (seed %d)', async (seed) => {
    const usual = { latency: latency.logNormal(100, 3_000) };
    const policy = { connectionPool: { http: { http2MaxRequests: 100_000 }, tcp: { maxConnections: 10_000 } } };
    expect(await ejectionsUnder({ usual, policy, seed, callsPerSecond: 200, seconds: 120 })).toEqual([]);
  });

  it.each(seeds)('endpoints of which one route is slow (seed %d)', async (seed) => {
    expect(await ejectionsUnder({ usual: mixture(0.3, 2_000, 20), seed, callsPerSecond: 200 })).toEqual([]);
    expect(await ejectionsUnder({ usual: mixture(0.6, 2_000, 20), seed, callsPerSecond: 200 })).toEqual([]);
  });

  it('an endpoint where a third of the calls take a slow route, and with the others none do', async () => {
    expect(await ejectionsUnder({ profiles: { 1: mixture(0.33, 2_000, 20) }, callsPerSecond: 200 })).toEqual([]);
  });

  it('an endpoint that pauses for most of a second now and then', async () => {
    const pausing = latency.overTime((now) => 20 + Math.max(0, 800 - (now % 5_000)));
    expect(await ejectionsUnder({ profiles: { 1: { latency: pausing } }, callsPerSecond: 200 })).toEqual([]);
  });

  it('all of them when the whole service becomes slow, or stalls', async () => {
    expect(await ejectionsUnder({ usual: slowBetween(10_000, 1e9, 1_500) })).toEqual([]);
    expect(await ejectionsUnder({ usual: slowBetween(10_000, 25_000, 10_000), seconds: 40 })).toEqual([]);
  });

  it('a slow endpoint with too little traffic to judge it', async () => {
    expect(await ejectionsUnder({ profiles: { 1: { latency: 1_500 } }, callsPerSecond: 5 })).toEqual([]);
  });

  it('an endpoint that is slow because it gets more than the others', async () => {
    // Four workers of 100 ms are 40 a second; the one of weight 3 has 45 to do, the others 15.
    const usual = { latency: 100, capacity: { concurrency: 4 } };
    expect(await ejectionsUnder({ usual, weights: { 1: 3 }, callsPerSecond: 105 })).toEqual([]);
  });

  it('the endpoints of a subset whose work takes longer', async () => {
    const profiles = { 4: { latency: 1_500 } };
    expect(await ejectionsUnder({ profiles, subsets: true })).toEqual([]);
    expect(await ejectionsUnder({ profiles })).not.toEqual([]);
  });

  it('an endpoint that is farther away than the others', async () => {
    const profiles = { 4: { latency: 400 } };
    expect(await ejectionsUnder({ profiles, localities: { 4: 'us/us-1' } })).toEqual([]);
    expect(await ejectionsUnder({ profiles, localities: { 4: 'eu/eu-2' } })).not.toEqual([]);
  });

  it('endpoints that are told apart by their jitter below the minimum alone', async () => {
    expect(await ejectionsUnder({ profiles: { 1: { latency: 150 } }, usual: { latency: 2 } })).toEqual([]);
  });
});
