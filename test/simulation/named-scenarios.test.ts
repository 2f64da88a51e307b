import { describe, expect, it, vi } from 'vitest';
import type { MeshDocument } from '../../src/config/schema.ts';
import { meshErrorOf } from '../../src/core/errors.ts';
import { type EndpointProfile, latency, type Simulation, simulateMesh } from '../../src/testing/index.ts';
import { runRandomScenario } from './random-scenario.ts';

type Policy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

/** `reviews` with `count` endpoints, 10.0.0.1:80 and so on. */
function reviews(count: number, trafficPolicy: Policy = {}): MeshDocument {
  const endpoints = Array.from({ length: count }, (_, index) => ({ address: `10.0.0.${index + 1}:80` }));
  return { services: [{ host: 'reviews', endpoints, trafficPolicy }] };
}

/** What became of calls that were made at an even pace. */
interface Result {
  readonly calls: number;
  /** The share of calls that were answered below 500. */
  readonly success: number;
  /** Requests that servers saw, for each call. */
  readonly load: number;
  readonly latencies: readonly number[];
}

/** Makes `perSecond` calls a second for `seconds`, waits for their ends, and holds the run to every rule so far. */
async function steady(simulation: Simulation, perSecond: number, seconds: number, timeoutMs = 1_000): Promise<Result> {
  const { record, network } = simulation;
  const firstCall = record.calls.length;
  const firstRequest = network.received.length;
  for (let sent = 0; sent < perSecond * seconds; sent++) {
    simulation.request('http://reviews/42', { mesh: { timeoutMs } }).then(
      ({ body }) => body.dump(),
      () => {},
    );
    await simulation.advance(1000 / perSecond);
  }
  await simulation.advance(timeoutMs);
  simulation.check();
  const made = record.calls.slice(firstCall);
  return {
    calls: made.length,
    success: made.filter(({ status }) => status !== undefined && status < 500).length / made.length,
    load: (network.received.length - firstRequest) / made.length,
    latencies: made.map((call) => (call.settledAt[0] as number) - call.startedAt).sort((a, b) => a - b),
  };
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}

const healthy: EndpointProfile = { latency: latency.logNormal(10, 40) };

async function closed(simulation: Simulation): Promise<void> {
  await simulation.close();
  simulation.check();
}

describe('simulation', () => {
  it('does the same to the letter for the same seed', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const trace = async (seed: number) => {
      const { network, record } = await runRandomScenario(seed);
      return { received: network.received, settled: record.calls.map(({ key, settledAt }) => ({ key, settledAt })) };
    };
    const first = await trace(8);
    expect(await trace(8)).toEqual(first);
    expect(first.received.length).toBeGreaterThan(0);
    expect(await trace(12)).not.toEqual(first);
    warned.mockRestore();
  });
});

describe('one slow endpoint of eleven', () => {
  const profiles = { '10.0.0.7:80': { latency: 2_000 } };

  it('costs a call in a hundred at most, where chance would cost one in eleven', async () => {
    const document = reviews(11);
    const simulation = await simulateMesh({ document, seed: 1, endpoints: profiles, defaultProfile: healthy });
    const { success, latencies } = await steady(simulation, 200, 10, 500);
    expect(success).toBeGreaterThan(0.99);
    expect(percentile(latencies, 0.99)).toBeLessThan(100);
    await closed(simulation);
  });

  it('is what chance costs when the balancer does not look', async () => {
    const document = reviews(11, { loadBalancer: { simple: 'RANDOM' }, outlierDetection: { disabled: true } });
    const simulation = await simulateMesh({ document, seed: 1, endpoints: profiles, defaultProfile: healthy });
    const { success } = await steady(simulation, 200, 10, 500);
    expect(success).toBeLessThan(0.95);
    await closed(simulation);
  });
});

describe('a sinkhole', () => {
  it('that fails at once does not draw the traffic of the others to itself', async () => {
    const sinkhole: EndpointProfile = { latency: 0.2, faults: [{ kind: 'status', status: 503 }] };
    const document = reviews(5, { outlierDetection: { disabled: true } });
    const simulation = await simulateMesh({
      document,
      seed: 2,
      endpoints: { '10.0.0.1:80': sinkhole },
      defaultProfile: healthy,
    });
    const { success } = await steady(simulation, 200, 10);
    const share = simulation.network.received.filter(({ endpoint }) => endpoint === '10.0.0.1:80').length;
    expect(success).toBeGreaterThan(0.999);
    expect(share / simulation.network.received.length).toBeLessThan(0.05);
    await closed(simulation);
  });

  it('that never answers is ejected, and its callers are served by others', async () => {
    const simulation = await simulateMesh({
      document: reviews(5, { loadBalancer: { simple: 'ROUND_ROBIN' }, retries: { perTryTimeout: '100ms' } }),
      seed: 3,
      endpoints: { '10.0.0.1:80': { faults: [{ kind: 'stall' }] } },
      defaultProfile: healthy,
    });
    const { success } = await steady(simulation, 100, 10);
    const ejected = simulation.mesh.status().services[0]?.endpoints.filter((endpoint) => !endpoint.healthy);
    expect(success).toBe(1);
    expect(ejected?.map(({ address }) => address)).toEqual(['10.0.0.1:80']);
    await closed(simulation);
  });
});

describe('a total outage', () => {
  it('is over for the callers soon after it is over for the servers', async () => {
    const outage: EndpointProfile = {
      ...healthy,
      faults: [{ kind: 'refuse-connection', fromMs: 3_000, untilMs: 13_000 }],
    };
    const simulation = await simulateMesh({ document: reviews(4), seed: 4, defaultProfile: outage });
    expect((await steady(simulation, 100, 2)).success).toBe(1);
    await simulation.advance(3_000 - simulation.clock.now());
    expect((await steady(simulation, 100, 9)).success).toBe(0);
    await simulation.advance(13_000 - simulation.clock.now());
    const { success, latencies } = await steady(simulation, 100, 5);
    expect(success).toBe(1);
    expect(percentile(latencies, 0.99)).toBeLessThan(200);
    await closed(simulation);
  });

  it('is refused without asking the servers while the circuit breaker is open, and found over by a probe', async () => {
    const outage: EndpointProfile = { latency: 5, faults: [{ kind: 'status', status: 500, untilMs: 10_000 }] };
    const document = reviews(4, { circuitBreaker: { openTime: '1s' } });
    const simulation = await simulateMesh({ document, seed: 5, defaultProfile: outage });
    const { load } = await steady(simulation, 100, 8);
    expect(load).toBeLessThan(0.1);
    await simulation.advance(11_000 - simulation.clock.now());
    expect((await steady(simulation, 100, 3)).success).toBeGreaterThan(0.99);
    await closed(simulation);
  });
});

describe('a retry storm', () => {
  it.each([100, 400])(
    'adds at most a quarter to the load when every one of %i calls a second fails',
    async (perSecond) => {
      const simulation = await simulateMesh({
        document: reviews(4, { retries: { max: 10 } }),
        seed: perSecond,
        defaultProfile: { latency: 5, faults: [{ kind: 'status', status: 503 }] },
      });
      const { load } = await steady(simulation, perSecond, 5);
      expect(load).toBeGreaterThan(1.1);
      expect(load).toBeLessThanOrEqual(1.25);
      await closed(simulation);
    },
  );

  it('does not keep servers down that were overloaded for a while', async () => {
    // 2 servers of 4 workers at 20 ms: 400 a second. For two seconds they get 600, for the rest 200.
    const simulation = await simulateMesh({
      document: reviews(2),
      seed: 6,
      defaultProfile: { latency: 20, capacity: { concurrency: 4, maxQueue: 20 } },
    });
    const overload = await steady(simulation, 600, 2, 200);
    expect(overload.load).toBeLessThanOrEqual(1.25);
    expect((await steady(simulation, 200, 3, 200)).success).toBeGreaterThan(0.99);
    await closed(simulation);
  });
});

describe('the end of a mesh', () => {
  it('ends calls that wait for their next attempt, rather than let them go on without it', async () => {
    const simulation = await simulateMesh({
      document: reviews(2, { retries: { max: 10, backoff: { baseInterval: '10s' } } }),
      seed: 7,
      defaultProfile: { faults: [{ kind: 'reset-before-head' }] },
    });
    const call = simulation.request('http://reviews/42').catch((error: unknown) => meshErrorOf(error)?.code);
    await simulation.advance(100);
    await simulation.close({ timeoutMs: 50 });
    expect(await call).toBe('INMESH_CLOSED');
    simulation.check();
  });

  it('does not wait for the rest of a reply that was discarded for another attempt', async () => {
    const simulation = await simulateMesh({
      document: reviews(1),
      seed: 8,
      defaultProfile: {
        status: 503,
        faults: [{ kind: 'stall-in-body', untilMs: 1 }],
        body: { bytes: 20, chunks: 2, everyMs: 1 },
      },
    });
    simulation.request('http://reviews/42').then(
      ({ body }) => body.dump(),
      () => {},
    );
    await simulation.advance(2_000);
    expect(simulation.mesh.status().services[0]?.endpoints[0]?.inFlight).toBe(0);
    await closed(simulation);
  });
});
