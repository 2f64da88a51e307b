import { afterEach, describe, expect, it } from 'vitest';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const addresses = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80'] as const;
const [a, b, c, d] = addresses;

let virtual: VirtualMesh;
afterEach(() => virtual.close());

const policy: TrafficPolicy = { loadBalancer: { simple: 'ROUND_ROBIN', warmup: { duration: '20s' } } };

async function open(known: readonly string[], trafficPolicy = policy, endpoints = {}) {
  const opened = await virtualMesh(
    { services: [reviews(known, trafficPolicy)] },
    { defaultProfile: { latency: 1 }, endpoints },
  );
  virtual = opened;
  return opened;
}

/** The share of `address` in 200 calls that take no time. */
async function shareOf(address: string): Promise<number> {
  const { network, mesh, clock } = virtual;
  network.received.length = 0;
  const calls = Array.from({ length: 200 }, () => mesh.request('http://reviews/', { mesh: { retries: false } }));
  await clock.advance(1);
  await Promise.all(calls);
  return network.received.filter(({ endpoint }) => endpoint === address).length / network.received.length;
}

describe('an endpoint that joins others', () => {
  it('gets a tenth of its share, and the whole of it at the end of the warm-up', async () => {
    const { registry, clock } = await open([a, b, c]);
    await clock.advance(5_000);
    const timers = clock.pendingTimers;
    await registry.setDocument({ services: [reviews(addresses, policy)] });
    expect(await shareOf(d)).toBeCloseTo(0.1 / 3.1, 1);
    await clock.advance(10_000);
    expect(await shareOf(d)).toBeCloseTo(0.5 / 3.5, 1);
    await clock.advance(10_000);
    expect(await shareOf(d)).toBeCloseTo(1 / 4, 2);
    expect(clock.pendingTimers).toBe(timers);
  });

  it('gets its whole share at once in a first set, be it told in slices', async () => {
    const { registry, clock } = await open([]);
    const endpoints = addresses.map((address) => makeEndpoint({ host: address.slice(0, -3), port: 80 }));
    await registry.setEndpoints('reviews', endpoints.slice(0, 2));
    await clock.advance(500);
    await registry.setEndpoints('reviews', endpoints);
    expect(await shareOf(d)).toBeCloseTo(1 / 4, 2);
  });

  it('keeps its warmth over a change of the document, and is warm when that wants none', async () => {
    const { registry, clock } = await open([a, b, c]);
    await clock.advance(5_000);
    const timers = clock.pendingTimers;
    await registry.setDocument({ services: [reviews(addresses, policy)] });
    await registry.setDocument({ services: [reviews(addresses, { ...policy, timeout: '9s' })] });
    expect(await shareOf(d)).toBeLessThan(0.1);
    await registry.setDocument({ services: [reviews(addresses, { loadBalancer: { simple: 'ROUND_ROBIN' } })] });
    expect(await shareOf(d)).toBeCloseTo(1 / 4, 2);
    expect(clock.pendingTimers).toBe(timers);
  });
});

describe('an endpoint whose ejection ends', () => {
  it('warms up again', async () => {
    const outlierDetection = { consecutive5xxErrors: 3, interval: '1s', baseEjectionTime: '3s' };
    const { network, clock } = await open(
      [a, b, c],
      { ...policy, outlierDetection },
      { [c]: { latency: 1, status: 500 } },
    );
    expect(await shareOf(a)).toBeGreaterThan(0.3);
    expect(virtual.endpoints()[c]?.healthy).toBe(false);
    network.setProfile(c, { latency: 1 });
    await clock.advance(4_000);
    expect(virtual.endpoints()[c]?.healthy).toBe(true);
    expect(await shareOf(c)).toBeLessThan(0.1);
    await clock.advance(20_000);
    expect(await shareOf(c)).toBeCloseTo(1 / 3, 2);
  });
});

describe('an endpoint that refuses connections', () => {
  const outage = (untilMs: number) => ({
    latency: 1,
    faults: [{ kind: 'refuse-connection' as const, fromMs: 1_000, untilMs }],
  });

  async function afterOutage(untilMs: number): Promise<number> {
    const outlierDetection = { consecutive5xxErrors: 0, consecutiveLocalOriginFailures: 0 };
    const { clock } = await open([a, b, c], { ...policy, outlierDetection }, { [c]: outage(untilMs) });
    await clock.advance(1_000);
    while (clock.now() < untilMs || !virtual.endpoints()[c]?.healthy) {
      await shareOf(a);
      await clock.advance(100);
    }
    return shareOf(c);
  }

  it('has its whole share at once after a moment', async () => {
    expect(await afterOutage(1_010)).toBeCloseTo(1 / 3, 1);
  });

  it('warms up when it refused them for longer: its process was started anew', async () => {
    expect(await afterOutage(30_000)).toBeLessThan(0.1);
  });
});
