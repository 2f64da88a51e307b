import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { endpointKey } from '../../src/core/endpoint.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ConsulRegistry } from '../../src/discovery/consul/consul-registry.ts';
import type { EndpointChange, Sink } from '../../src/discovery/registry.ts';
import { type RegistryHarness, registryContract } from '../contracts/registry-contract.ts';
import { documentAddresses } from '../discovery/document-addresses.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { hasServer } from './server-process.ts';

const contractTimeoutMs = 30_000;

describe.skipIf(!hasServer('consul'))('with a real Consul', () => {
  let consul: ConsulServer;
  let opened = 0;

  beforeAll(async () => {
    consul = await startConsul();
  });
  afterAll(() => consul.dispose());

  /** What a harness for endpoints and one for documents have in common. */
  async function open() {
    const id = `h${++opened}`;
    const proxy = await startFaultProxy(consul.host);
    const registry = new ConsulRegistry({
      address: `//${proxy.host}/${id}`,
      clock: systemClock,
      random: systemRandom,
      backoffMs: 10,
      maxBackoffMs: 50,
    });
    const harness = {
      registry,
      tick: async () => {},
      disconnect: async () => proxy.refuse(),
      reconnect: async () => proxy.accept(),
      dispose: () => proxy.dispose(),
    };
    return { id, registry, harness };
  }

  registryContract(
    'ConsulRegistry, of endpoints,',
    async (): Promise<RegistryHarness> => {
      const { id, registry, harness } = await open();
      const holds = new Map<string, object>();
      /** All at once, as one state. */
      const put = async (instances: readonly object[]) => {
        const node = { Node: id, Address: '10.0.0.0' };
        const wanted = new Map(instances.map((instance, at) => [`${id}-${at}`, instance]));
        const gone = [...holds.keys()].filter((key) => !wanted.has(key));
        await consul.send('PUT', '/v1/txn', [
          { Node: { Verb: 'set', Node: node } },
          ...[...wanted].map(([ID, instance]) => ({
            Service: { Verb: 'set', Node: id, Service: { ID, Service: id, ...instance } },
          })),
          ...gone.map((ID) => ({ Service: { Verb: 'delete', Node: id, Service: { ID, Service: id } } })),
        ]);
        holds.clear();
        for (const [key, instance] of wanted) holds.set(key, instance);
      };
      return {
        ...harness,
        weights: true,
        watch: (sink) => registry.watchEndpoints(id, endpointAddresses(sink)),
        publish: (addresses) => put(addresses.map(instanceOf)),
        publishNonsense: () => put([{ Address: '10.0.0.1', Port: 0 }]),
        restart: async () => {
          await consul.process.kill();
          holds.clear();
          await consul.process.start();
        },
      };
    },
    contractTimeoutMs,
  );

  registryContract(
    'ConsulRegistry, of documents,',
    async (): Promise<RegistryHarness> => {
      const { id, registry, harness } = await open();
      const put = (text: string) => consul.send('PUT', `/v1/kv/${id}/documents/mesh`, text);
      return {
        ...harness,
        watch: (sink) => registry.watchDocuments(documentAddresses(sink)),
        publish: async (addresses) => void (await put(JSON.stringify({ addresses }))),
        publishNonsense: async () => void (await put('{')),
        restart: async () => {
          await consul.process.kill();
          await consul.process.start();
        },
      };
    },
    contractTimeoutMs,
  );
});

function instanceOf(address: string): object {
  const [, host, port, weight = '1'] = /^(.*?):(\d+)(?:\*(\d+))?$/.exec(address) ?? [];
  return { Address: host, Port: Number(port), Weights: { Passing: Number(weight), Warning: 1 } };
}

function endpointAddresses(sink: Sink<readonly string[]>): Sink<EndpointChange> {
  return {
    set: (change, version) => {
      const endpoints = 'full' in change ? change.full : change.put;
      const weighted = endpoints.map((one) => `${endpointKey(one)}${one.weight === 1 ? '' : `*${one.weight}`}`);
      return sink.set(weighted, version);
    },
    absent: (version) => sink.absent(version),
    failed: (error) => sink.failed(error),
  };
}
