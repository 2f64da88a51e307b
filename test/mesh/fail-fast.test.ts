import { afterEach, describe, expect, it } from 'vitest';
import { codeOf } from './code-of.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const [a, b] = ['10.0.0.1:80', '10.0.0.2:80'] as const;
const refusing = { faults: [{ kind: 'refuse-connection' as const }] };
const well = { latency: 1 };

let virtual: VirtualMesh;
afterEach(() => virtual.close());

async function open(addresses: readonly string[], refused: readonly string[], policy: TrafficPolicy = {}) {
  const loadBalancer = { simple: 'ROUND_ROBIN' as const };
  const opened = await virtualMesh(
    { services: [reviews(addresses, { loadBalancer, ...policy })] },
    { defaultProfile: well, endpoints: Object.fromEntries(refused.map((address) => [address, refusing])) },
  );
  virtual = opened;
  return opened;
}

async function call(ms = 1): Promise<number | string> {
  const settled = virtual.mesh.request('http://reviews/').then(({ statusCode }) => statusCode, codeOf);
  await virtual.clock.advance(ms);
  return settled;
}

/** How many attempts were made at each endpoint since the last time. */
function attempts(): Record<string, number> {
  const all = virtual.network.attempts.splice(0).map(({ member }) => `${member.endpoint.host}:80`);
  return Object.fromEntries([a, b].map((address) => [address, all.filter((one) => one === address).length]));
}

function unhealthy(address: string) {
  return virtual.mesh.status().services[0]?.endpoints.find((endpoint) => endpoint.address === address)?.unhealthy;
}

describe('an endpoint that refuses a connection', () => {
  it('costs one attempt and no call, and is tried again by a call now and then', async () => {
    const { clock } = await open([a, b], [b]);
    for (let calls = 0; calls < 50; calls++) expect(await call()).toBe(200);
    const { [b]: first } = attempts();
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(5);
    expect(unhealthy(b)).toEqual([
      { reason: 'connect-failure', cause: 'connection refused', since: expect.any(Number) },
    ]);
    for (let calls = 0; calls < 600; calls++) {
      expect(await call()).toBe(200);
      await clock.advance(99);
    }
    const { [b]: tries } = attempts();
    expect(tries).toBeGreaterThan(2);
    expect(tries).toBeLessThan(12);
  });

  it('is not avoided when it refuses after that was switched off', async () => {
    const slowly = { ...refusing, connectMs: 50 };
    const opened = await virtualMesh(
      { services: [reviews([a, b])] },
      { defaultProfile: well, endpoints: { [a]: slowly, [b]: slowly } },
    );
    virtual = opened;
    const settled = opened.mesh.request('http://reviews/').then(({ statusCode }) => statusCode, codeOf);
    await opened.clock.advance(10);
    await opened.registry.setDocument({ services: [reviews([a, b], { outlierDetection: { failFast: false } })] });
    await opened.clock.advance(45);
    expect([unhealthy(a), unhealthy(b)]).toEqual([[], []]);
    await opened.clock.advance(1_000);
    expect(await settled).toBe('INMESH_CONNECT');
  });

  it('gets calls again as soon as it is let in and takes connections', async () => {
    const { clock, network } = await open([a, b], [b]);
    await call();
    await call();
    network.setProfile(b, well);
    await clock.advance(1_000);
    expect(unhealthy(b)).toEqual([]);
    attempts();
    for (let calls = 0; calls < 10; calls++) expect(await call()).toBe(200);
    expect(attempts()).toEqual({ [a]: 5, [b]: 5 });
  });

  it('still gets calls when it is the only one, or all refuse, and is well with the first that it takes', async () => {
    for (const addresses of [[a], [a, b]]) {
      const { network } = await open(addresses, addresses);
      expect(await call(500)).toBe('INMESH_CONNECT');
      expect(unhealthy(a)).toHaveLength(1);
      for (const address of addresses) network.setProfile(address, well);
      for (let calls = 0; calls < 4; calls++) expect(await call()).toBe(200);
      expect(addresses.some((address) => unhealthy(address)?.length === 0)).toBe(true);
      await virtual.clock.advance(32_000);
      expect(addresses.flatMap((address) => unhealthy(address))).toEqual([]);
      await virtual.close();
    }
    await open([a], []);
  });

  it('is tried by each call where that is switched off, or all detection is', async () => {
    for (const outlierDetection of [
      { failFast: false, consecutive5xxErrors: 0, consecutiveLocalOriginFailures: 0 },
      { disabled: true },
    ]) {
      await open([a, b], [b], { outlierDetection });
      for (let calls = 0; calls < 10; calls++) expect(await call()).toBe(200);
      expect(attempts()[b]).toBeGreaterThan(3);
      await virtual.close();
    }
    await open([a], []);
  });

  it('is let in at once when the document switches it off', async () => {
    const { registry } = await open([a, b], [b]);
    await call();
    await call();
    expect(unhealthy(b)).toHaveLength(1);
    await registry.setDocument({ services: [reviews([a, b], { outlierDetection: { failFast: false } })] });
    expect(unhealthy(b)).toEqual([]);
  });
});
