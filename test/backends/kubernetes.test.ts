/**
 * The driver against a real cluster, where `INMESH_TEST_KUBECONFIG` names a kubeconfig of one. It works in a namespace of
 * its own, which it deletes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { systemRandom } from '../../src/core/random.ts';
import { kubeconfigAccess } from '../../src/discovery/kubernetes/kubeconfig.ts';
import type { KubernetesAccess } from '../../src/discovery/kubernetes/kubernetes-access.ts';
import { KubernetesRegistry } from '../../src/discovery/kubernetes/kubernetes-registry.ts';
import type { DocumentStore, Sink, Watch } from '../../src/discovery/registry.ts';
import { RegistryClient } from '../../src/discovery/remote/registry-client.ts';
import { type RegistryHarness, registryContract } from '../contracts/registry-contract.ts';
import { documentAddresses } from '../discovery/document-addresses.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import type { ApiObject } from './kubernetes/api-objects.ts';
import { makeConfigMap, makeSlice, readyAt } from './kubernetes/objects-of-tests.ts';

const kubeconfig = process.env.INMESH_TEST_KUBECONFIG;
const namespace = `inmesh-test-${process.pid}`;
const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;

describe.skipIf(kubeconfig === undefined)('KubernetesRegistry with a cluster', () => {
  let access: KubernetesAccess;
  let client: RegistryClient;

  beforeAll(async () => {
    access = kubeconfigAccess(kubeconfig as string, undefined);
    client = new RegistryClient({
      name: 'the test',
      hosts: [access.host],
      tls: access.tls,
      clock: systemClock,
      headers: async () => (access.token === undefined ? {} : { authorization: `Bearer ${await access.token()}` }),
    });
    await change('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  });

  afterAll(async () => {
    await change('DELETE', `/api/v1/namespaces/${namespace}`);
    await client.close();
  });

  async function change(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<number> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' };
    const request = { method, path: access.pathPrefix + path, body: text, headers };
    const { status, text: answer } = await client.send(request);
    if (status >= 300 && status !== 404 && status !== 409) throw new Error(`${method} ${path}: ${status} ${answer}`);
    return status;
  }

  /** Creates the object, or changes the one of its name. */
  async function put(path: string, kind: object, object: ApiObject): Promise<void> {
    const body = { ...kind, ...object };
    if ((await change('POST', path, body)) === 409) await change('PATCH', `${path}/${object.metadata.name}`, body);
  }

  /** Puts an EndpointSlice, on behalf of a Service without a selector. */
  function putSlice(object: ApiObject): Promise<void> {
    return put(slices, { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' }, object);
  }

  function putConfigMap(object: ApiObject): Promise<void> {
    return put(configMaps, { apiVersion: 'v1', kind: 'ConfigMap' }, object);
  }

  function open(): KubernetesRegistry {
    return new KubernetesRegistry({ access, clock: systemClock, random: systemRandom, namespace });
  }

  async function harness(
    watch: (registry: KubernetesRegistry, sink: Sink<readonly string[]>) => Watch,
    publish: (addresses: readonly string[]) => Promise<void>,
    publishNonsense: () => Promise<void>,
    clear: string,
  ): Promise<RegistryHarness> {
    const registry = open();
    return {
      registry,
      watch: (sink) => watch(registry, sink),
      publish,
      publishNonsense,
      tick: async () => {},
      dispose: async () => {
        await change('DELETE', clear);
      },
    };
  }

  registryContract(
    'KubernetesRegistry of endpoints, with a cluster,',
    () =>
      harness(
        (registry, sink) => {
          const recorder = new EndpointRecorder();
          return registry.watchEndpoints('reviews', {
            set: (told, version) => {
              void recorder.sink.set(told, version);
              return sink.set([...recorder.endpoints.keys()], version);
            },
            absent: (version) => sink.absent(version),
            failed: (error) => sink.failed(error),
          });
        },
        (addresses) =>
          putSlice(makeSlice('a', { endpoints: addresses.map((one) => readyAt(one.split(':')[0] ?? '')) })),
        () => {
          const ports = [1, 2].map((port) => ({ name: `p${port}`, port, protocol: 'TCP' }));
          return putSlice(makeSlice('a', { ports, endpoints: [readyAt('10.0.0.1')] }));
        },
        `${slices}/a`,
      ),
    30_000,
  );

  registryContract(
    'KubernetesRegistry of documents, with a cluster,',
    () =>
      harness(
        (registry, sink) => registry.watchDocuments(documentAddresses(sink)),
        (addresses) => putConfigMap(makeConfigMap('mesh', { 'mesh.yaml': JSON.stringify({ addresses }) })),
        () => putConfigMap(makeConfigMap('mesh', { 'mesh.yaml': 'nonsense' })),
        `${configMaps}/mesh`,
      ),
    30_000,
  );

  it('lists in pages', async () => {
    for (let slice = 0; slice < 60; slice++) {
      await putSlice(makeSlice(`p${slice}`, { service: 'paged', endpoints: [readyAt(`10.1.0.${slice + 1}`)] }));
    }
    const registry = open();
    const recorder = new EndpointRecorder();
    registry.watchEndpoints(`paged.${namespace}.svc.cluster.local`, recorder.sink);
    await recorder.until('10.1.0.60:80');
    expect(recorder.endpoints.size).toBe(60);
    expect(recorder.told).toHaveLength(1);
    await registry.close();
  });

  it('writes documents by compare and swap, with their history', async () => {
    const registry = open();
    const store = registry.store as DocumentStore;
    const first = await store.write('doc', 'one: ü\n', undefined);
    expect(await store.list()).toEqual([{ name: 'doc', text: 'one: ü\n', version: first }]);
    const second = await store.write('doc', 'two\n', first);
    for (const stale of [store.write('doc', 'x', first), store.write('doc', undefined, first)]) {
      expect(isMeshError(await stale.catch((error: unknown) => error), 'INMESH_CONFLICT')).toBe(true);
    }
    const both = await Promise.allSettled([store.write('doc', 'a', second), store.write('doc', 'b', second)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [document] = await store.list();
    await store.write('doc', undefined, document?.version);
    expect(await store.list()).toEqual([]);
    expect((await store.history('doc')).map(({ text }) => text)).toEqual([document?.text, 'two\n', 'one: ü\n']);
    await registry.close();
  });
});
