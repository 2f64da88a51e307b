import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ConsulRegistry } from '../../src/discovery/consul/consul-registry.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { hasServer } from './server-process.ts';

describe.skipIf(!hasServer('consul'))('endpoints of a real Consul', () => {
  let consul: ConsulServer;
  let proxy: FaultProxy;
  let registry: ConsulRegistry;

  beforeAll(async () => {
    consul = await startConsul();
    proxy = await startFaultProxy(consul.host);
  });
  afterAll(async () => {
    await proxy.dispose();
    await consul.dispose();
  });
  afterEach(() => registry.close());

  function open(query = ''): EndpointRecorder {
    const address = `//${proxy.host}${query}`;
    registry = new ConsulRegistry({
      address,
      clock: systemClock,
      random: systemRandom,
      backoffMs: 10,
      maxBackoffMs: 50,
    });
    return new EndpointRecorder();
  }

  function register(ID: string, Name: string, Address: string, more: object = {}): Promise<unknown> {
    return consul.send('PUT', '/v1/agent/service/register', { ID, Name, Address, Port: 80, ...more });
  }

  it('are what its agent has, with labels, weights and locality', async () => {
    const recorder = open();
    const more = { Tags: ['canary', 'zone=a'], Meta: { version: 'v1' }, Weights: { Passing: 7, Warning: 1 } };
    await register('a1', 'all', '10.0.0.1', more);
    registry.watchEndpoints('all', recorder.sink);
    await recorder.until('10.0.0.1:80');
    expect([...recorder.endpoints.values()]).toEqual([
      {
        host: '10.0.0.1',
        port: 80,
        labels: { version: 'v1', canary: '', zone: 'a' },
        locality: 'dc1/n',
        weight: 7,
        state: 'serving',
      },
    ]);
    await consul.send('PUT', '/v1/agent/service/deregister/a1');
    await recorder.until('absent');
  });

  it('are those that pass, or that do not fail, as the address says', async () => {
    const recorder = open('?passing=false');
    const check = (Status: string) => ({ Check: { TTL: '60s', Status }, Weights: { Passing: 5, Warning: 2 } });
    await register('c1', 'checked', '10.0.0.1', check('passing'));
    await register('c2', 'checked', '10.0.0.2', check('warning'));
    await register('c3', 'checked', '10.0.0.3', check('critical'));
    registry.watchEndpoints('checked', recorder.sink);
    await recorder.until('10.0.0.1:80,10.0.0.2:80');
    expect([...recorder.endpoints.values()].map(({ weight }) => weight)).toEqual([5, 2]);
    await registry.close();

    const strict = open();
    registry.watchEndpoints('checked', strict.sink);
    await strict.until('10.0.0.1:80');
    await consul.send('PUT', '/v1/agent/check/fail/service:c1');
    // The service is known, and none of its instances is well.
    await strict.until('');
    expect(strict.last).toBe('');
    await consul.send('PUT', '/v1/agent/check/pass/service:c3');
    await strict.until('10.0.0.3:80');
  });

  it('are selected by tag and filter', async () => {
    const recorder = open('?tag=v2&filter=Service.Meta.team+%3D%3D+x');
    await register('f1', 'selected', '10.0.0.1', { Tags: ['v2'], Meta: { team: 'x' } });
    await register('f2', 'selected', '10.0.0.2', { Tags: ['v2'], Meta: { team: 'y' } });
    await register('f3', 'selected', '10.0.0.3', { Tags: ['v1'], Meta: { team: 'x' } });
    registry.watchEndpoints('selected', recorder.sink);
    await recorder.until('10.0.0.');
    expect(recorder.told).toEqual(['10.0.0.1:80']);
  });

  it.each(['?consistent=true', '?stale=false', '?stale=true&near=_agent&dc=dc1'])('are told with %s', async (query) => {
    const recorder = open(query);
    await register('m1', 'modes', '10.0.0.1');
    registry.watchEndpoints('modes', recorder.sink);
    await recorder.until('10.0.0.1:80');
  });

  it('let go of their connection when the watch is closed, once the server has', async () => {
    const recorder = open('?wait=1s');
    await register('l1', 'left', '10.0.0.1');
    const watch = registry.watchEndpoints('left', recorder.sink);
    await recorder.until('10.0.0.1:80');
    // One for the first question, one that waits.
    await expect.poll(() => proxy.connections).toBe(2);
    watch.close();
    await expect.poll(() => proxy.connections, { timeout: 10_000 }).toBe(0);
    await registry.close();
    await expect.poll(() => proxy.connections).toBe(0);
  });

  it('are told to each of 150 watches, which share 20 connections', async () => {
    open();
    const names = Array.from({ length: 150 }, (_, at) => `many-${at}`);
    const recorders = names.map(() => new EndpointRecorder());
    /** All in three transactions, so that few of the connections are those of the test. */
    const put = async (port: number) => {
      for (let first = 0; first < names.length; first += 50) {
        const services = names.slice(first, first + 50).map((Service) => ({
          Service: { Verb: 'set', Node: 'many', Service: { ID: Service, Service, Address: '10.0.0.1', Port: port } },
        }));
        const node = { Node: { Verb: 'set', Node: { Node: 'many', Address: '10.0.0.1' } } };
        await consul.send('PUT', '/v1/txn', [node, ...services]);
      }
    };
    await put(1);
    const watches = names.map((name, at) => registry.watchEndpoints(name, (recorders[at] as EndpointRecorder).sink));
    await Promise.all(recorders.map((recorder) => recorder.until('10.0.0.1:1')));
    for (const port of [2, 3]) {
      await put(port);
      await Promise.all(recorders.map((recorder) => recorder.until(`10.0.0.1:${port}`)));
    }
    expect(proxy.connections).toBeLessThanOrEqual(20);
    for (const recorder of recorders) expect(recorder.told).toEqual(['10.0.0.1:1', '10.0.0.1:2', '10.0.0.1:3']);
    // Those that are closed leave their place to the others.
    for (const watch of watches.slice(0, 100)) watch.close();
    const rest = recorders.slice(100);
    await put(4);
    await Promise.all(rest.map((recorder) => recorder.until('10.0.0.1:4')));
  });

  it('are told to eight processes of 50 services on one address, also when all begin anew at once', async () => {
    const crowded = await startConsul();
    const through = await startFaultProxy(crowded.host);
    const names = Array.from({ length: 50 }, (_, at) => `crowd-${at}`);
    const services = names.map((Service) => ({
      Service: { Verb: 'set', Node: 'crowd', Service: { ID: Service, Service, Address: '10.0.0.1', Port: 1 } },
    }));
    await crowded.send('PUT', '/v1/txn', [
      { Node: { Verb: 'set', Node: { Node: 'crowd', Address: '10.0.0.1' } } },
      ...services,
    ]);
    const begin = () => {
      const address = `//${through.host}`;
      const process = new ConsulRegistry({ address, clock: systemClock, random: systemRandom, backoffMs: 10 });
      const recorders = names.map((name) => {
        const recorder = new EndpointRecorder();
        process.watchEndpoints(name, recorder.sink);
        return recorder;
      });
      return { process, recorders };
    };
    const know = (all: readonly ReturnType<typeof begin>[]) =>
      Promise.all(all.flatMap(({ recorders }) => recorders).map((recorder) => recorder.until('10.0.0.1:1')));
    try {
      const before = Array.from({ length: 8 }, begin);
      await know(before);
      await expect.poll(() => through.connections).toBeGreaterThan(80);
      expect(through.connections).toBeLessThanOrEqual(160);
      expect(new Set(before.flatMap(({ recorders }) => recorders).flatMap(({ told }) => told))).toEqual(
        new Set(['10.0.0.1:1']),
      );
      await Promise.all(before.map(({ process }) => process.close()));
      // What they waited for is still occupied on the server, so that some are turned away for a moment.
      const after = Array.from({ length: 8 }, begin);
      await know(after);
      await Promise.all(after.map(({ process }) => process.close()));
    } finally {
      await through.dispose();
      await crowded.dispose();
    }
  }, 30_000);

  it('are told by a server that takes few connections of one address', async () => {
    const narrow = await startConsul('limits { http_max_conns_per_client = 8 }');
    try {
      const { host } = narrow;
      const send = (port: number) =>
        Promise.all(
          Array.from({ length: 5 }, (_, at) => {
            const service = { ID: `n${at}`, Name: `n${at}`, Address: '10.0.0.1', Port: port };
            // The connections of the test count too.
            const put = (): Promise<unknown> =>
              narrow.send('PUT', '/v1/agent/service/register', service).catch(() => setImmediate(10).then(put));
            return put();
          }),
        );
      await send(1);
      open();
      await registry.close();
      registry = new ConsulRegistry({ address: `//${host}`, clock: systemClock, random: systemRandom, backoffMs: 10 });
      const recorders = Array.from({ length: 20 }, () => new EndpointRecorder());
      for (const [at, recorder] of recorders.entries()) registry.watchEndpoints(`n${at % 5}`, recorder.sink);
      await Promise.all(recorders.map((recorder) => recorder.until('10.0.0.1:1')));
      await send(2);
      await Promise.all(recorders.map((recorder) => recorder.until('10.0.0.1:2')));
    } finally {
      await narrow.dispose();
    }
  }, 30_000);

  it('are told again by a server that was frozen, once it goes on', async () => {
    const recorder = open('?wait=1s');
    await register('z1', 'frozen', '10.0.0.1');
    registry.watchEndpoints('frozen', recorder.sink);
    await recorder.until('10.0.0.1:80');
    consul.process.freeze();
    try {
      await recorder.until('no answer within');
    } finally {
      consul.process.thaw();
    }
    await recorder.until('10.0.0.1:80');
  });
});
