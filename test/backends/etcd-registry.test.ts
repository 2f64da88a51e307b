import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { endpointKey } from '../../src/core/endpoint.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EtcdRegistry } from '../../src/discovery/etcd/etcd-registry.ts';
import type { EndpointChange, Sink } from '../../src/discovery/registry.ts';
import { type RegistryHarness, registryContract } from '../contracts/registry-contract.ts';
import { documentAddresses } from '../discovery/document-addresses.ts';
import { etcdKeys } from './etcd-keys.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { hasServer } from './server-process.ts';

const contractTimeoutMs = 30_000;

describe.skipIf(!hasServer('etcd'))('with a real etcd', () => {
  let etcd: EtcdCluster;
  let opened = 0;

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.dispose());

  /** What a harness for endpoints and one for documents have in common. */
  async function open() {
    const prefix = `h${++opened}`;
    const proxy = await startFaultProxy(etcd.hosts[0] as string);
    const registry = new EtcdRegistry({
      address: `//${proxy.host}/${prefix}`,
      clock: systemClock,
      random: systemRandom,
    });
    const harness = {
      registry,
      tick: async () => {},
      disconnect: async () => proxy.refuse(),
      reconnect: async () => proxy.accept(),
      restart: async () => {
        await etcd.processes[0]?.kill();
        await etcd.processes[0]?.start();
      },
      dispose: () => proxy.dispose(),
    };
    return { prefix, registry, harness };
  }

  registryContract(
    'EtcdRegistry, of endpoints,',
    async (): Promise<RegistryHarness> => {
      const { prefix, registry, harness } = await open();
      const holds = new Set<string>();
      /** All at once, as one state. */
      const put = async (addresses: readonly string[], textOf: (address: string) => string) => {
        const gone = [...holds].filter((key) => !addresses.some((address) => key === plain(address)));
        await etcdKeys(etcd).write(
          Object.fromEntries([
            ...gone.map((key) => [`${prefix}/endpoints/reviews/${key}`, undefined]),
            ...addresses.map((address) => [`${prefix}/endpoints/reviews/${plain(address)}`, textOf(address)]),
          ]),
        );
        holds.clear();
        for (const address of addresses) holds.add(plain(address));
      };
      return {
        ...harness,
        weights: true,
        watch: (sink) => registry.watchEndpoints('reviews', endpointAddresses(sink)),
        publish: (addresses) => put(addresses, textOf),
        publishNonsense: () => put(['10.0.0.1:80'], () => '{'),
      };
    },
    contractTimeoutMs,
  );

  registryContract(
    'EtcdRegistry, of documents,',
    async (): Promise<RegistryHarness> => {
      const { prefix, registry, harness } = await open();
      const put = (text: string) => etcdKeys(etcd).write({ [`${prefix}/documents/mesh`]: text });
      return {
        ...harness,
        watch: (sink) => registry.watchDocuments(documentAddresses(sink)),
        publish: (addresses) => put(JSON.stringify({ addresses })),
        publishNonsense: () => put('{'),
      };
    },
    contractTimeoutMs,
  );
});

function plain(address: string): string {
  return address.replace(/\*\d+$/, '');
}

function textOf(address: string): string {
  const weight = /\*(\d+)$/.exec(address)?.[1];
  return weight === undefined ? '' : JSON.stringify({ address: plain(address), weight: Number(weight) });
}

/** Puts changes together, as the mesh does. */
function endpointAddresses(sink: Sink<readonly string[]>): Sink<EndpointChange> {
  const addresses = new Map<string, string>();
  return {
    set: (change, version) => {
      if ('full' in change) addresses.clear();
      else for (const key of change.removed) addresses.delete(key);
      for (const endpoint of 'full' in change ? change.full : change.put) {
        const { weight } = endpoint;
        addresses.set(endpointKey(endpoint), `${endpointKey(endpoint)}${weight === 1 ? '' : `*${weight}`}`);
      }
      return sink.set([...addresses.values()], version);
    },
    absent: (version) => sink.absent(version),
    failed: (error) => sink.failed(error),
  };
}
