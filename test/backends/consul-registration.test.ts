import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type Endpoint, makeEndpoint } from '../../src/core/endpoint.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ConsulRegistry } from '../../src/discovery/consul/consul-registry.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { hasServer } from './server-process.ts';

describe.skipIf(!hasServer('consul'))('what is registered at a real Consul', () => {
  let consul: ConsulServer;
  let proxy: FaultProxy;
  const opened: ConsulRegistry[] = [];

  beforeAll(async () => {
    consul = await startConsul();
    proxy = await startFaultProxy(consul.host);
  });
  afterAll(async () => {
    await proxy.dispose();
    await consul.dispose();
  });
  afterEach(async () => {
    proxy.accept();
    for (const registry of opened.splice(0)) await registry.close();
  });

  function open(host = proxy.host, ttlMs = 15_000): ConsulRegistry {
    const times = { backoffMs: 10, maxBackoffMs: 50, ttlMs };
    const registry = new ConsulRegistry({ address: `//${host}`, clock: systemClock, random: systemRandom, ...times });
    opened.push(registry);
    return registry;
  }

  /** Watches past the proxy. */
  function watch(service: string): EndpointRecorder {
    const recorder = new EndpointRecorder();
    open(consul.host).watchEndpoints(service, recorder.sink);
    return recorder;
  }

  function endpoint(port: number, more: Partial<Endpoint> = {}): Endpoint {
    return makeEndpoint({ host: '10.0.0.1', port, ...more });
  }

  it('comes back as it was given', async () => {
    const given = endpoint(80, { labels: { version: 'v1' }, locality: 'eu/eu-1/a', weight: 3 });
    const recorder = watch('whole');
    await recorder.until('absent');
    const registration = await open().register('whole', given);
    await recorder.until('10.0.0.1:80');
    expect(recorder.endpoints.get('10.0.0.1:80')).toEqual(given);
    await registration.deregister();
  });

  it('says that it goes before it goes, once', async () => {
    const recorder = watch('leaving');
    await recorder.until('absent');
    const registration = await open().register('leaving', endpoint(80));
    await recorder.until('10.0.0.1:80');
    const first = registration.deregister();
    await Promise.all([first, registration.deregister()]);
    await registration.deregister();
    await recorder.until('absent');
    expect(recorder.told).toEqual(['absent', '10.0.0.1:80', '~10.0.0.1:80', 'absent']);
  });

  it('is renewed before it counts no more', async () => {
    const recorder = watch('renewed');
    const registration = await open(proxy.host, 300).register('renewed', endpoint(80));
    await recorder.until('10.0.0.1:80');
    // One of which nobody renews the check, and which lives longer by itself.
    const lapsing = { ID: 'lapsed', Name: 'lapsed', Address: '10.0.0.2', Port: 80 };
    await consul.send('PUT', '/v1/agent/service/register', { ...lapsing, Check: { TTL: '600ms', Status: 'passing' } });
    const lapsed = watch('lapsed');
    await lapsed.until('10.0.0.2:80');
    while (lapsed.last !== '') await new Promise<void>((resolve) => (lapsed.onTold = resolve));
    expect(recorder.told.slice(recorder.told.indexOf('10.0.0.1:80'))).toEqual(['10.0.0.1:80']);
    expect(await checkOf('renewed')).toMatchObject({ Status: 'passing' });
    await registration.deregister();
  });

  async function checkOf(service: string): Promise<{ Status: string }> {
    const [entry] = (await consul.send('GET', `/v1/health/service/${service}`)) as {
      Checks: { ServiceID: string }[];
    }[];
    return entry?.Checks.find(({ ServiceID }) => ServiceID !== '') as never;
  }

  it('is registered again when the agent lost it', async () => {
    const recorder = watch('lost');
    const registration = await open(proxy.host, 300).register('lost', endpoint(80));
    await recorder.until('10.0.0.1:80');
    await consul.send('PUT', '/v1/agent/service/deregister/lost-10.0.0.1-80');
    await recorder.until('absent');
    await recorder.until('10.0.0.1:80');
    await consul.process.kill();
    await consul.process.start();
    await expect
      .poll(() => checkOf('lost').catch(() => undefined), { timeout: 10_000 })
      .toMatchObject({ Status: 'passing' });
    await registration.deregister();
    expect(await consul.send('GET', '/v1/health/service/lost')).toEqual([]);
  });

  it('lives through a time when the agent is not reached', async () => {
    const recorder = watch('patient');
    const registration = await open(proxy.host, 300).register('patient', endpoint(80));
    await recorder.until('10.0.0.1:80');
    proxy.refuse();
    while (recorder.last !== '') await new Promise<void>((resolve) => (recorder.onTold = resolve));
    proxy.accept();
    await recorder.until('10.0.0.1:80');
    await registration.deregister();
  });

  it('is checked by the agent where there is a path, and registered again when lost', async () => {
    let status = 503;
    const paths: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url);
      response.writeHead(status).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const recorder = watch('healthy');
      const given = makeEndpoint({ host: '127.0.0.1', port });
      const registration = await open(proxy.host, 300).register('healthy', given, {
        path: '/ready',
        intervalMs: 1_000,
      });
      await expect.poll(() => paths.length, { timeout: 10_000 }).toBeGreaterThan(0);
      expect(recorder.told.join()).not.toContain('127.0.0.1');
      status = 200;
      await recorder.until(`127.0.0.1:${port}`);
      expect(new Set(paths)).toEqual(new Set(['/ready']));
      await consul.send('PUT', `/v1/agent/service/deregister/healthy-127.0.0.1-${port}`);
      await recorder.until('absent');
      await recorder.until(`127.0.0.1:${port}`);
      await registration.deregister();
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('stays after the registry is closed, until it is deregistered', async () => {
    const registry = open(proxy.host, 300);
    const registration = await registry.register('outliving', endpoint(80));
    await registry.close();
    const recorder = watch('outliving');
    await recorder.until('10.0.0.1:80');
    await consul.send('PUT', '/v1/agent/service/deregister/outliving-10.0.0.1-80');
    await recorder.until('absent');
    await recorder.until('10.0.0.1:80');
    await registration.deregister();
    await recorder.until('absent');
    await expect(registry.store.list()).rejects.toMatchObject({ code: 'INMESH_CLOSED' });
  });

  it('rejects when the agent does not answer, at the begin and at the end', async () => {
    const registry = open();
    const registration = await registry.register('unheard', endpoint(80));
    proxy.refuse();
    await expect(registry.register('unheard', endpoint(81))).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    await expect(registration.deregister()).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    await expect(registration.deregister()).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    await consul.send('PUT', '/v1/agent/service/deregister/unheard-10.0.0.1-80');
  });

  it.each([
    [
      makeEndpoint({ host: '', port: 0, socketPath: '/run/web.sock' }),
      'INMESH_OPTION',
      'unix:/run/web.sock is a socket',
    ],
    [endpoint(80, { weight: 0 }), 'INMESH_OPTION', 'weight of 10.0.0.1:80 is 0'],
    [endpoint(80, { labels: { 'inmesh-state': 'draining' } }), 'INMESH_OPTION', 'label inmesh-state'],
    [endpoint(80, { labels: { 'inmesh-locality': 'x' } }), 'INMESH_OPTION', 'label inmesh-locality'],
    [endpoint(80, { labels: { 'a/b': 'c' } }), 'INMESH_REGISTRY', 'instance web-10.0.0.1-80: refused, status 400'],
  ])('cannot be %j', async (given, code, message) => {
    const registering = open().register('web', given);
    await expect(registering).rejects.toMatchObject({ code });
    await expect(registering).rejects.toThrow(message);
  });

  it.each<[string, object | undefined, string]>([
    ['web', { path: '/', interval: '5s' }, 'health has no field interval; allowed: path, intervalMs, timeoutMs'],
    ['web', { path: '/', intervalMs: -5 }, 'health.intervalMs is -5; allowed: more than 0'],
    ['web', { path: '/', timeoutMs: '5s' }, 'health.timeoutMs is 5s'],
    ['web', {}, 'health.path is no text'],
    ['a/../b', undefined, 'segments that are empty, "." or ".."'],
    ['a//b', undefined, 'segments that are empty'],
    ['', undefined, 'segments that are empty'],
  ])('cannot be %j with the health check %j', async (service, health, message) => {
    const registering = open().register(service, endpoint(80), health as never);
    await expect(registering).rejects.toMatchObject({ code: 'INMESH_OPTION' });
    await expect(registering).rejects.toThrow(message);
  });

  it('is checked as often as by default where undefined is given', async () => {
    const registry = open(consul.host);
    const health = { path: '/', intervalMs: undefined, timeoutMs: undefined } as never;
    const registration = await registry.register('a/b', endpoint(80), health);
    await registration.deregister();
    expect(await consul.send('GET', '/v1/agent/services')).not.toHaveProperty('a/b-10.0.0.1-80');
  });
});
