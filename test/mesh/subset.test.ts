import { afterEach, describe, expect, it } from 'vitest';
import { reviews, type TrafficPolicy, type VirtualMesh, type VirtualMeshOptions, virtualMesh } from './virtual-mesh.ts';

const addresses = Array.from({ length: 60 }, (_, index) => `10.0.0.${index + 1}:80`);

const meshes: VirtualMesh[] = [];
afterEach(async () => {
  for (const virtual of meshes.splice(0)) await virtual.close();
});

async function open(loadBalancer: TrafficPolicy['loadBalancer'], options: VirtualMeshOptions = {}, more = {}) {
  const document = { services: [reviews(addresses, { loadBalancer, ...more })] };
  const virtual = await virtualMesh(document, options);
  meshes.push(virtual);
  return virtual;
}

/** How many of `count` calls each endpoint got. */
async function calls({ mesh, clock, network }: VirtualMesh, count = 300): Promise<Map<string, number>> {
  network.received.length = 0;
  for (let call = 0; call < count; call++) {
    void mesh.request('http://reviews/').then(({ body }) => body.text());
    await clock.advance(2);
  }
  await clock.advance(100);
  const sent = new Map<string, number>();
  for (const { endpoint } of network.received) sent.set(endpoint, (sent.get(endpoint) ?? 0) + 1);
  return sent;
}

function inSubset({ mesh }: VirtualMesh): string[] {
  const [service] = mesh.status().services;
  return (service?.endpoints ?? []).filter((endpoint) => endpoint.inSubset).map(({ address }) => address);
}

describe('subsetSize', () => {
  it('uses a few endpoints, the same for as long as they are there, and says which', async () => {
    const virtual = await open({ simple: 'ROUND_ROBIN', subsetSize: 12 });
    const used = await calls(virtual);
    expect(used.size).toBe(12);
    expect(new Set(inSubset(virtual))).toEqual(new Set(used.keys()));
    await (virtual as Awaited<ReturnType<typeof virtualMesh>>).registry.setDocument({
      services: [reviews(addresses, { loadBalancer: { simple: 'ROUND_ROBIN', subsetSize: 12 }, timeout: '1s' })],
    });
    expect(new Set((await calls(virtual)).keys())).toEqual(new Set(used.keys()));
  });

  it('is one of each locality where these are looked at', async () => {
    const endpoints = addresses.map((address, index) => ({ address, locality: index < 40 ? 'eu/a' : 'us/b' }));
    const trafficPolicy = { loadBalancer: { subsetSize: 5, localityLbSetting: {} } };
    const document = { services: [{ host: 'reviews', endpoints, trafficPolicy }] };
    const virtual = await virtualMesh(document, { locality: 'eu/a' });
    meshes.push(virtual);
    const used = [...(await calls(virtual)).keys()];
    expect(used).toHaveLength(5);
    expect(used.every((address) => addresses.indexOf(address) < 40)).toBe(true);
  });

  it('says nothing of subsets where there are none', async () => {
    const { mesh } = await open({});
    expect(mesh.status().services[0]?.endpoints[0]?.inSubset).toBeUndefined();
  });

  it('is another one in another process', async () => {
    const first = await open({ subsetSize: 12 });
    const second = await open({ subsetSize: 12 }, { random: { next: () => 0.7 } });
    expect(inSubset(first)).toEqual([]);
    for (const virtual of [first, second]) await calls(virtual, 1);
    expect(inSubset(first)).toHaveLength(12);
    expect(new Set(inSubset(first))).not.toEqual(new Set(inSubset(second)));
  });

  it('gives all endpoints the same from all instances', async () => {
    const sent = new Map<string, number>();
    for (let index = 0; index < 8; index++) {
      const virtual = await open({ simple: 'ROUND_ROBIN', subsetSize: 12 }, { instance: { index, count: 8 } });
      const used = await calls(virtual, 225);
      expect(used.size).toBeLessThan(20);
      for (const [endpoint, count] of used) sent.set(endpoint, (sent.get(endpoint) ?? 0) + count);
    }
    expect(sent.size).toBe(60);
    // 30 each; turns are right to within one or two a process.
    for (const count of sent.values()) expect(Math.abs(count - 30)).toBeLessThanOrEqual(4);
  });

  it('takes in others when most of the subset is ejected', async () => {
    const down = { faults: [{ kind: 'status', status: 503, untilMs: 5_000 }] } as const;
    const outlierDetection = { consecutive5xxErrors: 1, baseEjectionTime: '60s' };
    // Whoever is used first is down.
    const probe = await open({ simple: 'ROUND_ROBIN', subsetSize: 4 });
    const home = [...(await calls(probe)).keys()];
    expect(home).toHaveLength(4);
    const endpoints = Object.fromEntries(home.slice(0, 3).map((address) => [address, down]));
    const virtual = await open({ simple: 'ROUND_ROBIN', subsetSize: 4 }, { endpoints }, { outlierDetection });
    await calls(virtual, 100);
    const used = await calls(virtual, 100);
    expect(used.has(home[3] as string)).toBe(true);
    expect([...used.keys()].filter((address) => !home.includes(address)).length).toBeGreaterThan(0);
    expect([...used.keys()].filter((address) => home.slice(0, 3).includes(address))).toEqual([]);
  });
});
