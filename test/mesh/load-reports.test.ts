import { afterEach, describe, expect, it } from 'vitest';
import { loadReportFilter } from '../../src/mesh/load-report-filter.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const addresses = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'];

function endpointsOf(...reports: (string | undefined)[]) {
  return Object.fromEntries(
    reports.map((report, index) => [
      addresses[index] as string,
      report === undefined ? {} : { headers: { 'endpoint-load-metrics': report } },
    ]),
  );
}

let virtual: Awaited<ReturnType<typeof virtualMesh>>;
afterEach(() => virtual.close());

async function open(loadBalancer: TrafficPolicy['loadBalancer'], endpoints = {}) {
  virtual = await virtualMesh({ services: [reviews(addresses, { loadBalancer })] }, { endpoints });
}

async function shares({ mesh, clock, network }: VirtualMesh, count = 600): Promise<number[]> {
  network.received.length = 0;
  for (let call = 0; call < count; call++) {
    void mesh.request('http://reviews/').then(({ body }) => body.text());
    await clock.advance(20);
  }
  return addresses.map((address) =>
    Math.round((network.received.filter(({ endpoint }) => endpoint === address).length * 100) / count),
  );
}

/** Turns begin anew with each look at the weights, so shares are right to within a percent or two. */
function expectShares(found: readonly number[], wanted: readonly number[]): void {
  for (const [index, share] of found.entries()) expect(Math.abs(share - (wanted[index] as number))).toBeLessThan(2);
}

const busy = 'TEXT cpu_utilization=0.9,rps_fractional=90';
const idle = 'TEXT cpu_utilization=0.1,rps_fractional=90';

describe('weightedRoundRobin', () => {
  it('shares by what servers report, from the end of the blackout on', async () => {
    await open({ weightedRoundRobin: {} }, endpointsOf(busy, idle, idle));
    expect(await shares(virtual, 300)).toEqual([33, 33, 33]);
    await virtual.clock.advance(5_000);
    await shares(virtual, 100);
    // 100, 900 and 900 requests for each unit.
    expectShares(await shares(virtual), [5.3, 47.4, 47.4]);
    expect(virtual.mesh.status().services[0]?.loadBalancer).toBe('WEIGHTED_ROUND_ROBIN');
  });

  it('keeps what it has learnt over a reload that changes other things', async () => {
    await open({ weightedRoundRobin: { blackoutPeriod: false } }, endpointsOf(busy, idle, idle));
    await shares(virtual, 100);
    await virtual.registry.setDocument({
      services: [reviews(addresses, { loadBalancer: { weightedRoundRobin: {} }, timeout: '1s' })],
    });
    await virtual.clock.advance(10_000);
    expect((await shares(virtual, 100))[0]).toBeLessThan(15);
  });

  it('learns from JSON, and gives those that report nothing, or nothing that can be read, the mean', async () => {
    const json = 'JSON {"application_utilization":0.1,"rps_fractional":90}';
    await open({ weightedRoundRobin: { blackoutPeriod: false } }, endpointsOf(busy, json, 'BIN CZqZmZmZmbk/'));
    await shares(virtual, 100);
    expectShares(await shares(virtual), [6.7, 60, 33.3]);
  });
});

describe('prequal', () => {
  it('leaves a server that reports much in flight, and a slow one', async () => {
    await open(
      { prequal: { hotQuantile: 0.6 } },
      {
        ...endpointsOf('TEXT named_metrics.rif=80', 'TEXT named_metrics.rif=1'),
        [addresses[2] as string]: { latency: 300 },
      },
    );
    const [hot, cold, slow] = await shares(virtual);
    expect(cold).toBeGreaterThan(80);
    expect(hot).toBeLessThan(20);
    expect(slow).toBeLessThan(3);
  });

  it('is still good where nobody reports', async () => {
    await open({ prequal: {} }, { [addresses[0] as string]: { latency: 200 } });
    expect((await shares(virtual))[0]).toBeLessThan(3);
  });

  it('spreads the calls over servers that queue, and lets none of them be idle', async () => {
    const working = { latency: 20, capacity: { concurrency: 1 } };
    await open({ prequal: {} }, Object.fromEntries(addresses.map((address) => [address, working])));
    const { mesh, clock } = virtual;
    const latencies: number[] = [];
    // 75% of what they can do.
    for (let call = 0; call < 900; call++) {
      const startedAt = clock.now();
      void mesh.request('http://reviews/').then(() => latencies.push(clock.now() - startedAt));
      await clock.advance(call % 2 === 0 ? 8 : 10);
    }
    expect(latencies.length).toBeGreaterThan(890);
    expect(Math.max(...latencies)).toBeLessThanOrEqual(60);
  });

  it('works within localities', async () => {
    await virtualMeshOfZones();
    const [near, other, far] = await shares(virtual);
    expect([far, (near as number) + (other as number)]).toEqual([0, 100]);
  });

  async function virtualMeshOfZones(): Promise<void> {
    const endpoints = addresses.map((address, index) => ({ address, locality: index < 2 ? 'eu/a' : 'us/b' }));
    const loadBalancer = { prequal: {}, localityLbSetting: {} };
    virtual = await virtualMesh(
      { services: [{ host: 'reviews', endpoints, trafficPolicy: { loadBalancer } }] },
      { locality: 'eu/a', endpoints: endpointsOf(idle, idle, idle) },
    );
  }
});

describe('a load balancer that reads no reports', () => {
  it('lets them be', async () => {
    await open({ simple: 'ROUND_ROBIN' }, endpointsOf(busy, idle, idle));
    expect(await shares(virtual, 300)).toEqual([33, 33, 33]);
  });
});

describe('loadReportFilter', () => {
  it('reads a trailer where the head has no report', async () => {
    await open({});
    const told: unknown[] = [];
    const member = { load: { report: (_member: unknown, report: unknown) => told.push(report) } };
    const { tap } = loadReportFilter(new VirtualClock(), () => []);
    const trailer = ['Endpoint-Load-Metrics', 'TEXT named_metrics.rif=3'].map((part) => Buffer.from(part));
    for (const rawTrailers of [[], trailer]) {
      const reply = { headers: {}, body: { rawTrailers }, onEnd: (listener: () => void) => listener() };
      tap?.succeeded({ member } as never, undefined, reply as never);
    }
    expect(told).toEqual([{ utilization: 0, requestsPerSecond: 0, errorsPerSecond: 0, inFlight: 3 }]);
  });
});
