import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { events } from '../../src/core/events.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EtcdRegistry } from '../../src/discovery/etcd/etcd-registry.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { base64, type EtcdKeys, etcdKeys } from './etcd-keys.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { hasServer, temporaryFolder } from './server-process.ts';

const key = 'inmesh/endpoints/reviews/10.0.0.1:80';
const endpoint = makeEndpoint({ host: '10.0.0.1', port: 80, weight: 3 });
const text = '{"address":"10.0.0.1:80","weight":3}';

describe.skipIf(!hasServer('etcd'))('registration in a real etcd', { timeout: 60_000 }, () => {
  const folder = temporaryFolder('etcd-registration');
  const data = join(folder.path, 'data');
  let etcd: EtcdCluster;
  let keys: EtcdKeys;
  let proxy: FaultProxy;
  let registry: EtcdRegistry;

  beforeAll(async () => {
    etcd = await startEtcd(1, [`--data-dir=${data}`]);
    keys = etcdKeys(etcd);
  });
  afterAll(async () => {
    await etcd.dispose();
    folder.remove();
  });
  afterEach(async () => {
    await registry.close();
    await proxy.dispose();
  });

  async function open(clock = systemClock): Promise<void> {
    proxy = await startFaultProxy(etcd.hosts[0] as string);
    registry = new EtcdRegistry({ address: `//${proxy.host}`, clock, random: systemRandom });
  }

  function held(): Promise<Readonly<Record<string, string>>> {
    return keys.read('inmesh/endpoints/');
  }

  /** The leases of etcd, in s that are left. */
  async function leases(): Promise<string[]> {
    const { leases: found = [] } = (await etcd.send('/v3/lease/leases', {})) as { leases?: { ID: string }[] };
    return found.map(({ ID }) => ID);
  }

  it('puts the endpoint under a lease, announces its end, and takes it out', async () => {
    await open();
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('reviews', recorder.sink);
    await recorder.until('absent');
    const registration = await registry.register('reviews', endpoint);
    expect(await held()).toEqual({ [key]: text });
    const [lease] = await leases();
    expect(await etcd.send('/v3/lease/timetolive', { ID: lease })).toMatchObject({ grantedTTL: '10' });
    await recorder.until('10.0.0.1:80');
    const both = [registration.deregister(), registration.deregister()];
    await Promise.all(both);
    await recorder.until('absent');
    expect(recorder.told).toEqual(['absent', '10.0.0.1:80', '~10.0.0.1:80', 'absent']);
    expect(await held()).toEqual({});
    expect(await leases()).toEqual([]);
    await registration.deregister();
  });

  it('renews the lease before it ends', async () => {
    await open();
    const registration = await registry.register('reviews', endpoint);
    const [ID] = await leases();
    const left = async () => Number((await etcd.send('/v3/lease/timetolive', { ID })).TTL);
    await vi.waitUntil(async () => (await left()) <= 7, { timeout: 10_000, interval: 100 });
    await vi.waitUntil(async () => (await left()) >= 9, { timeout: 10_000, interval: 100 });
    await registration.deregister();
  });

  it('registers again under another lease when its own has ended', async () => {
    await open();
    const registration = await registry.register('reviews', endpoint);
    const [ID] = await leases();
    await etcd.send('/v3/lease/revoke', { ID });
    expect(await held()).toEqual({});
    await vi.waitUntil(async () => Object.keys(await held()).length === 1, { timeout: 10_000, interval: 50 });
    expect(await held()).toEqual({ [key]: text });
    await registration.deregister();
    expect(await held()).toEqual({});
  });

  it('puts its key again that was deleted, and leaves the one of another process until that ends', async () => {
    await open();
    const registration = await registry.register('reviews', endpoint);
    const another = new EtcdRegistry({ address: `//${proxy.host}`, clock: systemClock, random: systemRandom });
    const other = await another.register('reviews', makeEndpoint({ host: '10.0.0.1', port: 80, weight: 7 }));
    expect((await held())[key]).toContain('"weight":7');
    await other.deregister();
    expect(await held()).toEqual({});
    await vi.waitUntil(async () => Object.keys(await held()).length === 1, { timeout: 10_000, interval: 50 });
    expect(await held()).toEqual({ [key]: text });
    await registration.deregister();
    expect([await held(), await leases()]).toEqual([{}, []]);
    await another.close();
  });

  it('goes on through an outage in which etcd loses its data, and tells of it once', async () => {
    await open();
    const errors: unknown[] = [];
    const listener = (message: unknown) => errors.push(message);
    const registration = await registry.register('reviews', endpoint);
    events.registryError.subscribe(listener);
    await etcd.processes[0]?.kill();
    await rm(data, { recursive: true });
    await vi.waitUntil(() => errors.length > 0, { timeout: 10_000 });
    await etcd.processes[0]?.start();
    await vi.waitUntil(async () => Object.keys(await held()).length === 1, { timeout: 10_000, interval: 50 });
    expect(await held()).toEqual({ [key]: text });
    events.registryError.unsubscribe(listener);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ registry: registry.name, service: 'reviews' });
    await registration.deregister();
    expect(await held()).toEqual({});
  });

  it('registers again as soon as its watches see that etcd is back, before the next renewal', async () => {
    const renewMs = 10_000 / 3;
    // A renewal in its turn would come too late for this test.
    await open({
      ...systemClock,
      setBackgroundTimer: (callback, delayMs) =>
        systemClock.setBackgroundTimer(callback, delayMs === renewMs ? 100 * renewMs : delayMs),
    });
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('reviews', recorder.sink);
    await recorder.until('absent');
    const registration = await registry.register('reviews', endpoint);
    await recorder.until('10.0.0.1:80');
    await etcd.processes[0]?.kill();
    await rm(data, { recursive: true });
    await etcd.processes[0]?.start();
    await vi.waitUntil(async () => Object.keys(await held()).length === 1, { timeout: 10_000, interval: 50 });
    await registration.deregister();
  });

  it('rejects when etcd does not answer: at the beginning and at the end', async () => {
    await open();
    const registration = await registry.register('reviews', endpoint);
    proxy.refuse();
    const isRegistryError = (error: unknown) => {
      expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
      expect((error as Error).message).toContain(`${registry.name}: ${key}: `);
    };
    await registry.register('reviews', endpoint).then(() => expect.fail(), isRegistryError);
    await registration.deregister().then(() => expect.fail(), isRegistryError);
    proxy.accept();
    const [ID] = await leases();
    await etcd.send('/v3/lease/revoke', { ID });
  });

  it('leaves an endpoint alone that another process has registered at its address since', async () => {
    await open();
    const registration = await registry.register('reviews', endpoint);
    const other = JSON.stringify({ address: '10.0.0.1:80', labels: { version: 'v2' } });
    await etcd.send('/v3/kv/put', { key: base64(key), value: base64(other) });
    await registration.deregister();
    expect(await held()).toEqual({ [key]: other });
    await keys.write({ [key]: undefined });
  });

  it('keeps what is registered when the registry is closed, until it is deregistered', async () => {
    await open();
    const registration = await registry.register('reviews', endpoint);
    await registry.close();
    const [ID] = await leases();
    const left = async () => Number((await etcd.send('/v3/lease/timetolive', { ID })).TTL);
    await vi.waitUntil(async () => (await left()) <= 7, { timeout: 10_000, interval: 100 });
    await vi.waitUntil(async () => (await left()) >= 9, { timeout: 10_000, interval: 100 });
    await registration.deregister();
    expect(await held()).toEqual({});
    await vi.waitUntil(() => proxy.connections === 0);
  });
});
