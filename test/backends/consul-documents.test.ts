import { hostname } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile.ts';
import { systemClock } from '../../src/core/clock.ts';
import { events } from '../../src/core/events.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ConsulRegistry } from '../../src/discovery/consul/consul-registry.ts';
import { DocumentRecorder } from '../discovery/document-recorder.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { hasServer } from './server-process.ts';

describe.skipIf(!hasServer('consul'))('documents of a real Consul', () => {
  let consul: ConsulServer;
  let proxy: FaultProxy;
  const opened: ConsulRegistry[] = [];
  let prefixes = 0;
  let prefix = '';

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

  /** Each with a prefix of its own, of two parts. */
  function open(service?: string, samePrefix = false, random = systemRandom): ConsulRegistry {
    if (!samePrefix) prefix = `mesh/p${++prefixes}`;
    const times = { backoffMs: 10, maxBackoffMs: 50 };
    const address = `//${proxy.host}/${prefix}`;
    const registry = new ConsulRegistry({ address, clock: systemClock, random, service, ...times });
    opened.push(registry);
    return registry;
  }

  function put(name: string, text: string): Promise<unknown> {
    return consul.send('PUT', `/v1/kv/${prefix}/documents/${name}`, text);
  }

  function putEntry(entry: object): Promise<unknown> {
    return consul.send('PUT', '/v1/config', entry);
  }

  async function reports(): Promise<unknown> {
    return (await open(undefined, true).store.reports?.())?.map(({ reportedAt: _, ...report }) => report);
  }

  it('are told whole with each change', async () => {
    const recorder = new DocumentRecorder();
    const registry = open();
    registry.watchDocuments(recorder.sink);
    await recorder.until(() => recorder.told.at(-1) === 'absent');
    await put('b', 'services: []');
    await recorder.until(() => recorder.documents.length === 1);
    await put('a', 'é'.repeat(100_000));
    await recorder.until(() => recorder.documents.length === 2);
    const root = `consul://${proxy.host}/${prefix}/documents`;
    expect(recorder.documents[1]?.all).toEqual([
      { name: `${root}/a`, text: 'é'.repeat(100_000) },
      { name: `${root}/b`, text: 'services: []' },
    ]);
    expect(recorder.documents[1]?.version).toBe((await registry.store.list())[0]?.version);
    await consul.send('DELETE', `/v1/kv/${prefix}/documents/?recurse`);
    await recorder.until(() => recorder.told.at(-1) === 'absent');
  });

  it('are not told when something else changes in the store', async () => {
    const recorder = new DocumentRecorder();
    open().watchDocuments(recorder.sink);
    await put('a', 'x');
    await recorder.until(() => recorder.documents.length === 1);
    for (const key of ['history/a/1', 'watchers/w/1', 'documents-of-others']) {
      await consul.send('PUT', `/v1/kv/${prefix}/${key}`, 'y');
    }
    await put('a', 'x');
    await put('a', 'z');
    await recorder.until(() => recorder.documents.at(-1)?.all[0]?.text === 'z');
    expect(recorder.told).toHaveLength(recorder.told[0] === 'absent' ? 3 : 2);
  });

  it('come with the verdict on each version, for as long as the process lives', async () => {
    const recorder = new DocumentRecorder();
    const registry = open('shop');
    const watcher = expect.stringContaining(`shop/${hostname()}-${process.pid}`);
    await put('a', 'good');
    registry.watchDocuments(recorder.sink);
    await recorder.until(() => recorder.documents.length === 1);
    const [good] = recorder.documents;
    const accepted = { watcher, version: good?.version, problems: [] };
    await expect.poll(reports).toEqual([accepted]);
    recorder.verdict = Promise.resolve({ accepted: false, problems: ['a: is bad'] });
    await put('a', 'bad');
    await recorder.until(() => recorder.documents.length === 2);
    const refused = recorder.documents[1]?.version;
    await expect.poll(reports).toEqual([{ watcher, version: good?.version, refused, problems: ['a: is bad'] }]);
    await registry.close();
    expect(await reports()).toEqual([]);
  });

  it('come with the verdict of each mesh of a process', async () => {
    const meshes = [open('shop'), open('shop', true)];
    await put('a', 'good');
    const watched = meshes.map((registry) => {
      const recorder = new DocumentRecorder();
      registry.watchDocuments(recorder.sink);
      return recorder.until(() => recorder.documents.length === 1);
    });
    await Promise.all(watched);
    await expect.poll(reports).toHaveLength(2);
    await meshes[0]?.close();
    expect(await reports()).toHaveLength(1);
  });

  it('do not suffer from reports that cannot be written, which is told once', async () => {
    const told: { registry: string; error: Error }[] = [];
    const listen = (message: unknown) => void told.push(message as (typeof told)[number]);
    events.registryError.subscribe(listen);
    try {
      const recorder = new DocumentRecorder();
      const registry = open('shop', false, { next: () => 0 });
      // The key of the report is held by somebody else.
      const session = (await consul.send('PUT', '/v1/session/create', { Checks: [], LockDelay: '0s' })) as {
        ID: string;
      };
      const key = `${prefix}/watchers/shop/${hostname()}-${process.pid}-0000`;
      await consul.send('PUT', `/v1/kv/${key}?acquire=${session.ID}`, 'x');
      await put('a', '1');
      registry.watchDocuments(recorder.sink);
      await expect.poll(() => told.length).toBe(1);
      for (const text of ['2', '3', '4']) {
        await put('a', text);
        await recorder.until(() => recorder.documents.at(-1)?.all[0]?.text === text);
      }
      expect(told).toEqual([{ registry: registry.name, error: expect.objectContaining({ code: 'INMESH_REGISTRY' }) }]);
      expect(told[0]?.error.message).toContain(`key ${key}: another session holds it`);
      await consul.send('PUT', `/v1/session/destroy/${session.ID}`);
      // Written as soon as it can be.
      await expect.poll(reports).toMatchObject([{ version: recorder.documents.at(-1)?.version }]);
    } finally {
      events.registryError.unsubscribe(listen);
    }
  });

  it('are the configuration entries while there is no key', async () => {
    const recorder = new DocumentRecorder();
    const problems: string[] = [];
    const listen = (message: unknown) => void problems.push((message as { error: Error }).error.message);
    events.registryError.subscribe(listen);
    try {
      open('shop').watchDocuments(recorder.sink);
      await recorder.until(() => recorder.told.at(-1) === 'absent');
      await putEntry({ Kind: 'service-defaults', Name: 'reviews', Protocol: 'http' });
      await putEntry({
        Kind: 'service-resolver',
        Name: 'reviews',
        DefaultSubset: 'v1',
        ConnectTimeout: '1.5s',
        Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { Filter: '"v2" in Service.Tags' } },
        Failover: { v1: { ServiceSubset: 'v2' } },
      });
      const Splits = [
        { Weight: 75, ServiceSubset: 'v1' },
        { Weight: 25, ServiceSubset: 'v2' },
      ];
      await putEntry({ Kind: 'service-splitter', Name: 'reviews', Splits });
      const Match = { HTTP: { PathPrefix: '/admin', Methods: ['GET'] } };
      const Destination = { ServiceSubset: 'v2', RequestTimeout: '2s', NumRetries: 1, RetryOnStatusCodes: [503] };
      await putEntry({ Kind: 'service-router', Name: 'reviews', Routes: [{ Match, Destination }] });
      await recorder.until(() => JSON.stringify(recorder.documents.at(-1)?.all ?? '').includes('/admin'));
      const [document] = recorder.documents.at(-1)?.all ?? [];
      expect(document).toEqual({
        name: `consul://${proxy.host}/config-entries`,
        value: {
          services: [
            {
              host: 'reviews',
              subsets: [
                { name: 'v1', labels: { version: 'v1' } },
                { name: 'v2', labels: { v2: '' } },
              ],
              trafficPolicy: { connectionPool: { tcp: { connectTimeout: '1500ms' } } },
            },
          ],
          routes: [
            {
              hosts: ['reviews'],
              http: [
                {
                  name: 'reviews[0]',
                  match: [{ uri: { prefix: '/admin' }, method: { exact: 'GET' } }],
                  timeout: '2000ms',
                  retries: { max: 1, retryOn: '503' },
                  route: [{ destination: { host: 'reviews', subset: 'v2' } }],
                },
                {
                  name: 'reviews otherwise',
                  route: [
                    { destination: { host: 'reviews', subset: 'v1' }, weight: 3 },
                    { destination: { host: 'reviews', subset: 'v2' }, weight: 1 },
                  ],
                },
              ],
            },
          ],
        },
      });
      expect(await compile([document as never])).toMatchObject({ ok: true });
      const problem = `consul://${proxy.host}/${prefix}: config entries: service-resolver reviews: Failover: not supported`;
      // Somebody has given a prefix.
      expect(problems).toEqual([expect.stringContaining(`no key below ${prefix}/documents/`), problem]);

      // A key takes their place, and they come back when it goes.
      await put('mesh', 'services: []');
      await recorder.until(() => recorder.told.at(-1)?.endsWith('/documents/mesh') === true);
      await consul.send('DELETE', '/v1/config/service-router/reviews');
      await consul.send('DELETE', `/v1/kv/${prefix}/documents/mesh`);
      await recorder.until(() => recorder.told.at(-1)?.endsWith('/config-entries') === true);
      expect(JSON.stringify(recorder.documents.at(-1)?.all)).not.toContain('/admin');

      // After an outage they are told again.
      const count = recorder.documents.length;
      proxy.refuse();
      await recorder.until(() => recorder.told.at(-1)?.includes('/v1/') === true);
      proxy.accept();
      await recorder.until(() => recorder.documents.length > count);
      expect(recorder.told.at(-1)).toBe(`consul://${proxy.host}/config-entries`);
    } finally {
      events.registryError.unsubscribe(listen);
      for (const kind of ['router', 'splitter', 'resolver', 'defaults']) {
        await consul.send('DELETE', `/v1/config/service-${kind}/reviews`);
      }
    }
  });
});
