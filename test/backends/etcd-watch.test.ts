import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { seededRandom, systemRandom } from '../../src/core/random.ts';
import { EtcdRegistry } from '../../src/discovery/etcd/etcd-registry.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { etcdKeys } from './etcd-keys.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { hasServer, temporaryFolder } from './server-process.ts';

/** etcd takes 128 operations in a transaction. */
const keysAtOnce = 100;

/** Streams, reads of prefixes, and one question beside the streams. */
const mostConnections = 9 + 4 + 1;

describe.skipIf(!hasServer('etcd'))('watches of a real etcd', { timeout: 60_000 }, () => {
  let etcd: EtcdCluster;
  let proxy: FaultProxy;
  let registry: EtcdRegistry;
  let opened = 0;
  let prefix: string;
  const disposals: (() => Promise<void> | void)[] = [];

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.dispose());
  afterEach(async () => {
    await registry.close();
    await proxy.dispose();
    for (const dispose of disposals.splice(0)) await dispose();
  });

  async function open(cluster = etcd): Promise<void> {
    prefix = `w${++opened}`;
    proxy = await startFaultProxy(cluster.hosts[0] as string);
    registry = new EtcdRegistry({ address: `//${proxy.host}/${prefix}`, clock: systemClock, random: systemRandom });
  }

  function watch(service: string): EndpointRecorder {
    const recorder = new EndpointRecorder();
    registry.watchEndpoints(service, recorder.sink);
    return recorder;
  }

  function key(service: string, address: string): string {
    return `${prefix}/endpoints/${service}/${address}`;
  }

  async function writeAll(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += keysAtOnce) {
      await etcdKeys(etcd).write(Object.fromEntries(keys.slice(at, at + keysAtOnce).map((one) => [one, ''])));
    }
  }

  /** Each as a revision of its own. */
  async function writeOneByOne(cluster: EtcdCluster, addresses: readonly string[]): Promise<void> {
    for (const address of addresses) await etcdKeys(cluster).write({ [key('reviews', address)]: '' });
  }

  it('tells 10,000 endpoints of a service as one', async () => {
    await open();
    const addresses = Array.from({ length: 10_000 }, (_, at) => `10.0.${at >> 8}.${at & 255}:80`);
    await writeAll(addresses.map((address) => key('reviews', address)));
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80');
    expect(recorder.changes).toHaveLength(1);
    expect([...recorder.endpoints.keys()].sort()).toEqual(addresses.sort());
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.0:80')]: undefined });
    await vi.waitUntil(() => recorder.endpoints.size === 9_999, { timeout: 10_000 });
    expect(recorder.changes.at(-1)).toEqual({ put: [], removed: ['10.0.0.0:80'] });
  });

  it('watches 1,000 services over a few connections, and tells the changes of each', async () => {
    await open();
    const services = Array.from({ length: 1_000 }, (_, at) => `service-${at}`);
    await writeAll(services.map((service) => key(service, '10.0.0.1:80')));
    let most = 0;
    const recorders = services.map(watch);
    for (const recorder of recorders) {
      recorder.onTold = () => {
        most = Math.max(most, proxy.connections);
      };
    }
    await Promise.all(recorders.map((recorder) => recorder.until('10.0.0.1:80')));
    await writeAll(services.map((service) => key(service, '10.0.0.2:80')));
    await Promise.all(recorders.map((recorder) => recorder.until('10.0.0.1:80,10.0.0.2:80')));
    expect(most).toBeLessThanOrEqual(mostConnections);
    // Those of the reads end when they have been idle.
    await vi.waitUntil(() => proxy.connections <= 9, { timeout: 20_000, interval: 50 });
    expect(recorders.filter(({ told }) => told.length !== 2)).toEqual([]);
  });

  it('loses no change, and tells none twice, while streams are merged', async () => {
    await open();
    const random = seededRandom(7);
    const services = Array.from({ length: 60 }, (_, at) => `service-${at}`);
    const written = new Map<string, string[]>(services.map((service) => [service, []]));
    let count = 0;
    let isOpening = true;
    const writing = (async () => {
      // Some more when all are watched, so that each is followed.
      for (let rest = 200; isOpening || rest > 0; ) {
        if (!isOpening) rest--;
        const service = services[Math.floor(random.next() * services.length)] as string;
        const address = `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}:80`;
        count++;
        written.get(service)?.push(address);
        await etcdKeys(etcd).write({ [key(service, address)]: '' });
      }
    })();
    const recorders: EndpointRecorder[] = [];
    for (const service of services) {
      const recorder = watch(service);
      recorders.push(recorder);
      // Each gets a stream of its own, until they are merged.
      await vi.waitUntil(() => recorder.told.length > 0, { interval: 1 });
      await sleep(random.next() * 20);
    }
    isOpening = false;
    await writing;
    for (const [at, recorder] of recorders.entries()) {
      const expected = [...(written.get(services[at] as string) as string[])].sort();
      await vi.waitUntil(() => recorder.endpoints.size === expected.length, { timeout: 10_000 });
      const told = recorder.changes.flatMap((change) => ('full' in change ? change.full : change.put));
      expect(told.map(({ host }) => `${host}:80`).sort()).toEqual(expected);
    }
    expect(proxy.connections).toBeLessThanOrEqual(mostConnections);
  });

  it('goes on after a broken connection with what has changed, and reads nothing again', async () => {
    await open();
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.1:80')]: '' });
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80');
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.3:80')]: '' });
    await recorder.until('10.0.0.1:80,10.0.0.3:80');
    proxy.refuse();
    proxy.accept();
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.2:80')]: '' });
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.1:80')]: undefined });
    await recorder.until('10.0.0.2:80,10.0.0.3:80');
    expect(recorder.changes.filter((change) => 'full' in change)).toHaveLength(1);
  });

  it('reads again after an outage in which etcd lost its data, though it has as many changes again', async () => {
    const folder = temporaryFolder('etcd-wiped');
    const data = join(folder.path, 'data');
    const wiped = await startEtcd(1, [`--data-dir=${data}`]);
    disposals.push(wiped.dispose, folder.remove);
    await open(wiped);
    await writeOneByOne(wiped, ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']);
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80,10.0.0.2:80,10.0.0.3:80');
    proxy.refuse();
    await recorder.until(`etcd://${proxy.host}/${prefix}: ${prefix}/endpoints/reviews/: `);
    await wiped.processes[0]?.kill();
    await rm(data, { recursive: true });
    await wiped.processes[0]?.start();
    await writeOneByOne(wiped, ['10.0.0.9:80', '10.0.0.8:80', '10.0.0.7:80', '10.0.0.6:80', '10.0.0.5:80']);
    proxy.accept();
    await recorder.until('10.0.0.5:80,10.0.0.6:80,10.0.0.7:80,10.0.0.8:80,10.0.0.9:80');
  });

  it('reads again what was compacted during an outage', async () => {
    await open();
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.1:80')]: '' });
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80');
    proxy.refuse();
    await recorder.until('endpoints/reviews/: ');
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.1:80')]: undefined, [key('reviews', '10.0.0.2:80')]: '' });
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.3:80')]: '' });
    const { header } = (await etcd.send('/v3/maintenance/status', {})) as { header: { revision: string } };
    await etcd.send('/v3/kv/compaction', { revision: header.revision, physical: true });
    proxy.accept();
    await recorder.until('10.0.0.2:80,10.0.0.3:80');
    expect(recorder.changes.at(-1)).toHaveProperty('full');
  });

  it('reads again when etcd has lost its data', async () => {
    const folder = temporaryFolder('etcd-data');
    const data = join(folder.path, 'data');
    const forgetful = await startEtcd(1, [`--data-dir=${data}`]);
    disposals.push(forgetful.dispose, folder.remove);
    await open(forgetful);
    for (let change = 0; change < 5; change++) {
      await etcdKeys(forgetful).write({ [key('reviews', '10.0.0.1:80')]: '' });
    }
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80');
    await forgetful.processes[0]?.kill();
    await rm(data, { recursive: true });
    await forgetful.processes[0]?.start();
    await recorder.until('absent');
    await etcdKeys(forgetful).write({ [key('reviews', '10.0.0.2:80')]: '' });
    await recorder.until('10.0.0.2:80');
  });

  it('tells a value that is no endpoint, keeps what was there, and tells when it is good again', async () => {
    await open();
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.1:80')]: '', [key('reviews', '10.0.0.2:80')]: '' });
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80,10.0.0.2:80');
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.1:80')]: '{', [key('reviews', '10.0.0.3:80')]: '' });
    await recorder.until(`${prefix}/endpoints/reviews/10.0.0.1:80: `);
    expect(recorder.told.at(-2)).toBe('10.0.0.1:80,10.0.0.2:80,10.0.0.3:80');
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.1:80')]: '' });
    await recorder.until('10.0.0.1:80,10.0.0.2:80,10.0.0.3:80');
  });

  it('tells nothing more once it is closed in the middle of reading', async () => {
    await open();
    await writeAll(Array.from({ length: 3_000 }, (_, at) => key('reviews', `10.0.${at >> 8}.${at & 255}:80`)));
    const closed = new EndpointRecorder();
    const watches = [0, 2, 5, 10].map((delayMs) => ({
      delayMs,
      watch: registry.watchEndpoints('reviews', closed.sink),
    }));
    await Promise.all(
      watches.map(async ({ delayMs, watch: one }) => {
        await sleep(delayMs);
        one.close();
      }),
    );
    const toldBefore = closed.told.length;
    const other = watch('reviews');
    await other.until('10.0.0.1:80');
    await etcdKeys(etcd).write({ [key('reviews', '10.0.0.0:80')]: undefined });
    await vi.waitUntil(() => other.endpoints.size === 2_999);
    expect(closed.told).toHaveLength(toldBefore);
  });

  it('lets its process exit while it watches', async () => {
    await open();
    const source = (name: string) => fileURLToPath(new URL(`../../src/${name}.ts`, import.meta.url));
    const script = `
      import { EtcdRegistry } from '${source('discovery/etcd/etcd-registry')}';
      import { systemClock } from '${source('core/clock')}';
      import { systemRandom } from '${source('core/random')}';
      const parts = { clock: systemClock, random: systemRandom, service: 'productpage' };
      const registry = new EtcdRegistry({ address: '//${proxy.host}/${prefix}', ...parts });
      const told = new Promise((absent) => {
        registry.watchEndpoints('reviews', { set() {}, absent, failed() {} });
      });
      // Alive until something was told, and the stream is open.
      const held = setInterval(() => {}, 1_000);
      await told;
      await registry.store.list();
      clearInterval(held);
      console.log('told');
    `;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    expect((await run).stdout).toBe('told\n');
  });

  it('leaves no connection open when it is closed while streams begin', async () => {
    await open();
    const recorders = Array.from({ length: 50 }, (_, at) => watch(`service-${at}`));
    await vi.waitUntil(() => recorders.some(({ told }) => told.length > 0), { interval: 1 });
    await registry.close();
    await vi.waitUntil(() => proxy.connections === 0);
    const told = recorders.map((recorder) => recorder.told.length);
    await etcdKeys(etcd).write({ [key('service-1', '10.0.0.1:80')]: '' });
    expect(recorders.map((recorder) => recorder.told.length)).toEqual(told);
  });
});
