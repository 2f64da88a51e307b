import { afterEach, describe, expect, it } from 'vitest';
import type { MeshDocument } from '../../src/config/schema.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import type { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { type ServiceDocument, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

let virtual: VirtualMesh<MemoryRegistry>;
afterEach(() => virtual.close());

const places = ['eu/eu-1', 'eu/eu-1', 'eu/eu-2', 'eu/eu-2', 'us/us-1', 'us/us-1'];
const addresses = places.map((_, index) => `10.0.0.${index + 1}:80`);
const endpoints = addresses.map((address, index) => ({ address, locality: places[index] as string }));

type Setting = NonNullable<TrafficPolicy['loadBalancer']>['localityLbSetting'];

function service(localityLbSetting: Setting, more: TrafficPolicy = {}): ServiceDocument {
  return { host: 'reviews', endpoints, trafficPolicy: { loadBalancer: { localityLbSetting }, ...more } };
}

async function open(
  document: MeshDocument,
  locality: string | null = 'eu/eu-1/a',
  profiles: Readonly<Record<string, EndpointProfile>> = {},
) {
  virtual = await virtualMesh(document, { endpoints: profiles, ...(locality === null ? {} : { locality }) });
}

/** How many of `calls` went to each place, and how many failed. */
async function calls(count: number): Promise<{ sent: Record<string, number>; failed: number }> {
  virtual.network.received.length = 0;
  let failed = 0;
  for (let index = 0; index < count; index++) {
    void virtual.mesh.request('http://reviews/').then(
      ({ statusCode }) => {
        if (statusCode >= 500) failed++;
      },
      () => failed++,
    );
    await virtual.clock.advance(10);
  }
  await virtual.clock.advance(1_000);
  const sent: Record<string, number> = {};
  for (const { endpoint } of virtual.network.received) {
    const place = places[addresses.indexOf(endpoint)] as string;
    sent[place] = (sent[place] ?? 0) + 1;
  }
  return { sent, failed };
}

describe('localityLbSetting', () => {
  it('keeps calls near, and lets them spill over when near endpoints are ejected, and come back', async () => {
    const down = { faults: [{ kind: 'status', status: 503, untilMs: 20_000 }] } as const;
    await open({ services: [service({}, { outlierDetection: { maxEjectionPercent: 100 } })] }, 'eu/eu-1/a', {
      [addresses[0] as string]: down,
      [addresses[1] as string]: down,
    });
    const first = await calls(100);
    expect(first.failed).toBe(0);
    const during = await calls(100);
    expect(during).toEqual({ sent: { 'eu/eu-2': 100 }, failed: 0 });
    await virtual.clock.advance(60_000);
    expect((await calls(20)).sent).toEqual({ 'eu/eu-1': 20 });
  });

  it.each<[string, TrafficPolicy]>([
    ['a repeat that costs nothing', { retries: { max: 0 } }],
    ['a retry', { retries: { max: 1 }, outlierDetection: { failFast: false } }],
  ])('%s goes to a group that gets no first attempts', async (_, more) => {
    const refusing = { faults: [{ kind: 'refuse-connection' }] } as const;
    await open({ services: [service({}, more)] }, 'eu/eu-1/a', {
      [addresses[0] as string]: refusing,
      [addresses[1] as string]: refusing,
    });
    const { sent, failed } = await calls(20);
    expect(failed).toBe(0);
    expect(sent['eu/eu-2']).toBe(20);
  });

  it('sends hedges to a group that gets no first attempts', async () => {
    const alone = {
      ...service({}, { hedge: { maxExtraLoad: 20 }, outlierDetection: { disabled: true } }),
      endpoints: [endpoints[0]!, endpoints[4]!],
    };
    const slow = { latency: 5, faults: [{ kind: 'slow-head', extra: 500, probability: 0.03 }] } as const;
    await open({ services: [alone] }, 'eu/eu-1/a', { [addresses[0] as string]: slow });
    const { sent, failed } = await calls(500);
    expect(failed).toBe(0);
    expect(sent['us/us-1']).toBeGreaterThan(3);
  });

  it('distributes as it says', async () => {
    await open({ services: [service({ distribute: [{ from: 'eu/*', to: { 'eu/*': 75, 'us/*': 25 } }] })] });
    const { sent } = await calls(400);
    expect(sent['us/us-1']).toBeGreaterThan(60);
    expect(sent['us/us-1']).toBeLessThan(140);
  });

  it('counts the callers by the endpoints of our own service', async () => {
    const callers = ['eu/eu-1', 'eu/eu-1', 'eu/eu-1', 'eu/eu-2'].map((locality, index) => ({
      address: `10.1.0.${index}:80`,
      locality,
    }));
    const own = { host: 'productpage', endpoints: callers };
    await open({ services: [own, service({ zoneAware: {} })] });
    // A third of the endpoints for three quarters of the callers: 44% stay.
    const { sent } = await calls(400);
    expect(sent['eu/eu-1']).toBeGreaterThan(130);
    expect(sent['eu/eu-1']).toBeLessThan(230);
  });

  it('follows a change of the callers', async () => {
    const caller = (index: number, locality: string) => ({ address: `10.1.0.${index}:80`, locality });
    const own = (...localities: string[]) => ({
      host: 'productpage',
      endpoints: localities.map((locality, index) => caller(index, locality)),
    });
    const zoneAware = service({ zoneAware: {} });
    const near = async () => (await calls(300)).sent['eu/eu-1'] ?? 0;
    await open({ services: [zoneAware, own('eu/eu-1', 'eu/eu-1')] });
    expect(await near()).toBeLessThan(140);
    await virtual.registry.setDocument({ services: [zoneAware, own('eu/eu-1', 'eu/eu-2', 'us/us-1')] });
    expect(await near()).toBe(300);
    const alone = [makeEndpoint({ host: '10.1.0.1', port: 80, locality: 'eu/eu-1' })];
    await virtual.registry.setEndpoints('productpage', alone);
    expect(await near()).toBeLessThan(140);
    await virtual.registry.setDocument({ services: [zoneAware] });
    expect(await near()).toBe(300);
  });

  it('does nothing while nobody knows where we are, or when it is not enabled', async () => {
    await open({ services: [service({})] }, null);
    expect(Object.keys((await calls(60)).sent)).toHaveLength(3);
    await virtual.registry.setDocument({ services: [service({ enabled: false })] });
    expect(Object.keys((await calls(60)).sent)).toHaveLength(3);
  });

  it('follows a reload', async () => {
    await open({ services: [service(undefined)] });
    expect(Object.keys((await calls(60)).sent)).toHaveLength(3);
    await virtual.registry.setDocument({ services: [service({})] });
    expect((await calls(20)).sent).toEqual({ 'eu/eu-1': 20 });
  });

  it.each<[NonNullable<Setting>, string]>([
    [{ failover: [{ from: 'eu', to: 'us' }], zoneAware: {} }, 'has failover and zoneAware; allowed is one of them'],
    [{ distribute: [{ from: 'eu', to: { eu: 60, us: 30 } }] }, 'has shares of together 90; allowed: 100'],
  ])('refuses %j', async (setting, message) => {
    await open({ services: [service({})] });
    const verdict = await virtual.registry.setDocument({ services: [service(setting)] });
    expect(JSON.stringify(verdict)).toContain(message);
  });

  it('refuses a locality that is none', async () => {
    await expect(virtualMesh({ services: [] }, { locality: 'a/b/c/d' })).rejects.toThrow(
      'allowed is region/zone/subzone',
    );
    await open({ services: [] });
  });
});
