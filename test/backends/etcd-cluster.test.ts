import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EtcdRegistry } from '../../src/discovery/etcd/etcd-registry.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { type EtcdKeys, etcdKeys } from './etcd-keys.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';
import { hasServer, type ServerProcess } from './server-process.ts';

const services = ['reviews', 'ratings', 'details'];

describe.skipIf(!hasServer('etcd'))('a cluster of three etcd members', { timeout: 60_000 }, () => {
  let etcd: EtcdCluster;
  let keys: EtcdKeys;
  let registry: EtcdRegistry;
  /** The member that the registry asks first, and one that it does not. */
  let [first, other] = [0, 1];

  beforeEach(async () => {
    etcd = await startEtcd(3);
    keys = etcdKeys(etcd);
  });
  afterEach(async () => {
    await registry.close();
    await etcd.dispose();
  });

  async function open(): Promise<void> {
    first = await etcd.leader();
    other = (first + 1) % 3;
    const hosts = [first, other, (first + 2) % 3].map((member) => etcd.hosts[member]);
    registry = new EtcdRegistry({
      address: `//${hosts.join(',')}`,
      clock: systemClock,
      random: systemRandom,
      checkMs: 500,
      checkTimeoutMs: 500,
    });
  }

  function processOf(member: number): ServerProcess {
    return etcd.processes[member] as ServerProcess;
  }

  function watchAll(): EndpointRecorder[] {
    return services.map((service) => {
      const recorder = new EndpointRecorder();
      registry.watchEndpoints(service, recorder.sink);
      return recorder;
    });
  }

  /** Waits until each watch has told what etcd holds, each endpoint once since all was read last. */
  async function converge(recorders: readonly EndpointRecorder[]): Promise<void> {
    for (const [at, service] of services.entries()) {
      const recorder = recorders[at] as EndpointRecorder;
      const prefix = `inmesh/endpoints/${service}/`;
      const held = Object.keys(await keys.read(prefix, other)).map((key) => key.slice(prefix.length));
      await vi.waitUntil(() => recorder.endpoints.size === held.length, { timeout: 20_000 });
      const lastFull = recorder.changes.findLastIndex((change) => 'full' in change);
      const put = recorder.changes.slice(lastFull).flatMap((change) => ('full' in change ? change.full : change.put));
      expect(put.map(({ host, port }) => `${host}:${port}`).sort()).toEqual(held.sort());
    }
  }

  it('loses no change when its leader is killed', async () => {
    await open();
    await keys.write(Object.fromEntries(services.map((service) => [`inmesh/endpoints/${service}/10.0.0.0:80`, ''])));
    const recorders = watchAll();
    await Promise.all(recorders.map((recorder) => recorder.until('10.0.0.0:80')));
    let writes = 0;
    const write = async () => {
      writes++;
      const service = services[writes % services.length];
      // During the election it may fail, and may have been done all the same.
      await keys.write({ [`inmesh/endpoints/${service}/10.0.1.${writes}:80`]: '' }, other).catch(() => {});
    };
    while (writes < 50) await write();
    const killed = processOf(first).kill();
    while (writes < 200) await write();
    await killed;
    await converge(recorders);
  });

  it('is watched at another member when one is frozen', async () => {
    await open();
    await keys.write(Object.fromEntries(services.map((service) => [`inmesh/endpoints/${service}/10.0.0.0:80`, ''])));
    const recorders = watchAll();
    await Promise.all(recorders.map((recorder) => recorder.until('10.0.0.0:80')));
    processOf(first).freeze();
    // The others elect a leader.
    await vi.waitUntil(
      () =>
        keys.write({ 'inmesh/endpoints/reviews/10.0.0.9:80': '' }, other).then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    );
    await recorders[0]?.until('10.0.0.0:80,10.0.0.9:80');
    await converge(recorders);
    processOf(first).thaw();
  });

  it('keeps an endpoint registered when the member that is asked is frozen', async () => {
    await open();
    const registration = await registry.register('reviews', makeEndpoint({ host: '10.0.0.1', port: 80 }));
    processOf(first).freeze();
    const read = () => keys.read('inmesh/endpoints/', other).catch(() => undefined);
    await vi.waitUntil(async () => (await read()) !== undefined, { timeout: 20_000 });
    await registration.deregister();
    expect(await keys.read('inmesh/endpoints/', other)).toEqual({});
    processOf(first).thaw();
  });
});
