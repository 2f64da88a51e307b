import { afterEach, describe, expect, it } from 'vitest';
import type { CallOptions } from '../../src/core/call-options.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const addresses = Array.from({ length: 6 }, (_, index) => `10.0.0.${index + 1}:80`);
const byUser: TrafficPolicy = { loadBalancer: { consistentHash: { httpHeaderName: 'X-User' } } };

let virtual: VirtualMesh;
afterEach(() => virtual.close());

async function open(trafficPolicy: TrafficPolicy, endpoints: Readonly<Record<string, EndpointProfile>> = {}) {
  const document = { services: [reviews(addresses, trafficPolicy)] };
  virtual = await virtualMesh(document, { endpoints });
  return virtual as Awaited<ReturnType<typeof virtualMesh>>;
}

/** Where a call of `user` goes: all the endpoints that got an attempt. */
async function endpointsOf(user: string | undefined, mesh: CallOptions = {}): Promise<string[]> {
  const { clock, network } = virtual;
  const before = network.received.length;
  const headers = user === undefined ? {} : { 'x-user': user };
  const answer = virtual.mesh.request('http://reviews/', { headers, mesh });
  await clock.advance(1_000);
  await (await answer).body.text();
  return network.received.slice(before).map(({ endpoint }) => endpoint);
}

const users = Array.from({ length: 20 }, (_, index) => `user-${index}`);

async function homes(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const user of users) found.set(user, (await endpointsOf(user))[0] as string);
  return found;
}

describe('consistentHash', () => {
  it('sends the calls of a user to one endpoint, and users to all', async () => {
    await open(byUser);
    const found = await homes();
    expect(await homes()).toEqual(found);
    expect(new Set(found.values()).size).toBeGreaterThan(3);
    expect(virtual.mesh.status().services).toMatchObject([{ loadBalancer: 'RING_HASH' }]);
  });

  it('sends calls without a key anywhere', async () => {
    await open({ loadBalancer: { consistentHash: { httpCookie: { name: 'session' }, maglev: {} } } });
    const found = new Set<string>();
    for (let call = 0; call < 30; call++) for (const endpoint of await endpointsOf(undefined)) found.add(endpoint);
    expect(found.size).toBeGreaterThan(4);
    expect(virtual.mesh.status().services).toMatchObject([{ loadBalancer: 'MAGLEV' }]);
  });

  it('lets hashKey win over what the document takes from the request', async () => {
    await open(byUser);
    const found = await homes();
    for (const user of users) expect(await endpointsOf('somebody', { hashKey: user })).toEqual([found.get(user)]);
  });

  it('sends a retry to the next endpoint, the same for all calls of the user', async () => {
    await open(byUser);
    const home = (await endpointsOf('user-1'))[0] as string;
    await virtual.close();
    await open(byUser, { [home]: { status: 503 } });
    const [first, second] = await endpointsOf('user-1');
    expect(first).toBe(home);
    expect(second).not.toBe(home);
    expect(await endpointsOf('user-1')).toEqual([home, second]);
  });

  it('moves only the users of an endpoint that is gone', async () => {
    const { registry } = await open(byUser);
    const before = await homes();
    const gone = before.get('user-1') as string;
    await registry.setDocument({
      services: [
        reviews(
          addresses.filter((address) => address !== gone),
          byUser,
        ),
      ],
    });
    for (const [user, home] of await homes()) {
      if (before.get(user) === gone) expect(home).not.toBe(gone);
      else expect(home).toBe(before.get(user));
    }
  });

  it('keeps users where they are over a reload that changes other things', async () => {
    const { registry } = await open(byUser);
    const before = await homes();
    await registry.setDocument({ services: [reviews(addresses, { ...byUser, timeout: '1s' })] });
    expect(await homes()).toEqual(before);
  });

  it('spreads the calls of one user when they are more than the part of their endpoint', async () => {
    const slow = Object.fromEntries(addresses.map((address) => [address, { latency: 100 }]));
    const { mesh, clock, network } = await open(
      { loadBalancer: { consistentHash: { path: true, hashBalanceFactor: 150 } } },
      slow,
    );
    const send = () => mesh.request('http://reviews/popular').then(({ body }) => body.text());
    const all = Array.from({ length: 12 }, send);
    await clock.advance(100);
    await Promise.all(all);
    const counts = Map.groupBy(network.received, ({ endpoint }) => endpoint);
    expect(Math.max(...[...counts.values()].map(({ length }) => length))).toBe(3);
    // What was counted up is counted down: the next one goes home.
    const alone = send();
    await clock.advance(100);
    await alone;
    expect(network.received.at(-1)?.endpoint).toBe(network.received[0]?.endpoint);
  });

  it('is left alone by balancers that do not hash', async () => {
    await open({ loadBalancer: { simple: 'ROUND_ROBIN' } });
    const found = new Set<string>();
    for (let call = 0; call < 6; call++) found.add((await endpointsOf('user-1', { hashKey: 'same' }))[0] as string);
    expect(found.size).toBe(6);
  });
});
