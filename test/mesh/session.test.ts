import { afterEach, describe, expect, it } from 'vitest';
import { Bench } from '../adapters/bench.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const addresses = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'];
const sessionAffinity = { cookie: { name: 'stay', path: '/shop', ttl: '90s' } };

let virtual: VirtualMesh | undefined;
const bench = new Bench();
afterEach(async () => {
  await virtual?.close();
  virtual = undefined;
  await bench.close();
});

async function open(more: TrafficPolicy['loadBalancer'] = {}) {
  const opened = await virtualMesh({ services: [reviews(addresses, { loadBalancer: { sessionAffinity, ...more } })] });
  virtual = opened;
  return opened;
}

/** Which endpoint answers, and the cookie that the reply sets. */
async function call(cookie?: string): Promise<{ endpoint: string | undefined; set: string | undefined }> {
  const { mesh, clock, network } = virtual as VirtualMesh;
  const pending = mesh.request('http://reviews/', cookie === undefined ? {} : { headers: { cookie } });
  await clock.advance(1_000);
  const { headers } = await pending;
  return { endpoint: network.received.at(-1)?.endpoint, set: headers['set-cookie'] as string | undefined };
}

/** What a client sends back. */
function cookieOf(set: string | undefined): string {
  return String(set).split(';')[0] as string;
}

describe('session affinity', () => {
  it('names the endpoint in a cookie, and keeps the client there', async () => {
    await open({ simple: 'ROUND_ROBIN' });
    const { endpoint, set } = await call();
    expect(set).toMatch(/^stay=[0-9a-f]{16}; Path=\/shop; Max-Age=90; HttpOnly$/);
    for (let repeat = 0; repeat < 10; repeat++) {
      expect(await call(`a=b; ${cookieOf(set)}; c=d`)).toEqual({ endpoint, set: undefined });
    }
    const others = [await call(), await call(), await call()].map((other) => other.endpoint);
    expect(new Set(others).size).toBe(3);
  });

  it('gives a client whose endpoint is gone another one, and a new cookie', async () => {
    const { registry } = await open();
    const { endpoint, set } = await call();
    const left = addresses.filter((address) => address !== endpoint);
    await registry.setDocument({ services: [reviews(left, { loadBalancer: { sessionAffinity } })] });
    const moved = await call(cookieOf(set));
    expect(left).toContain(moved.endpoint);
    expect(cookieOf(moved.set)).not.toBe(cookieOf(set));
  });

  it('does not insist on an endpoint that fails', async () => {
    const { network } = await open();
    const { endpoint, set } = await call();
    network.setProfile(endpoint as string, { faults: [{ kind: 'refuse-connection' }] });
    const moved = await call(cookieOf(set));
    expect(moved.endpoint).not.toBe(endpoint);
    expect(moved.set).toBeDefined();
  });

  it('takes a cookie that means nothing for none', async () => {
    await open();
    expect((await call('stay=nonsense')).set).toBeDefined();
  });

  it('holds with a hash, and across localities', async () => {
    await open({ consistentHash: { path: true }, localityLbSetting: {} });
    const { endpoint, set } = await call();
    expect(await call(cookieOf(set))).toEqual({ endpoint, set: undefined });
  });

  it('adds its cookie to those of the server, in each way in', async () => {
    const { address } = await bench.server((_request, response) => {
      response.setHeader('set-cookie', ['own=1', 'own=2']).end();
    });
    const mesh = await bench.mesh([address], { loadBalancer: { sessionAffinity } });
    const expected = ['own=1', 'own=2', expect.stringMatching(/^stay=/)];
    expect((await mesh.request('http://reviews/')).headers['set-cookie']).toEqual(expected);
    expect((await mesh.fetch('http://reviews/')).headers.getSetCookie()).toEqual(expected);
    const builtIn = await fetch('http://reviews/', { dispatcher: mesh.dispatcher });
    expect(builtIn.headers.getSetCookie()).toEqual(expected);
  });
});
