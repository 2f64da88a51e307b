import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { isMeshError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import {
  KubernetesRegistry,
  type KubernetesRegistryOptions,
} from '../../../src/discovery/kubernetes/kubernetes-registry.ts';
import type { Sink, Watch } from '../../../src/discovery/registry.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { ApiServer } from '../../backends/kubernetes/api-server.ts';
import {
  configMapPlace,
  endingAt,
  makeConfigMap,
  makeSlice,
  readyAt,
  type SliceRequest,
  slicePlace,
} from '../../backends/kubernetes/objects-of-tests.ts';
import { type RegistryHarness, registryContract } from '../../contracts/registry-contract.ts';
import { createAuthority } from '../../tls/test-authority.ts';
import { documentAddresses } from '../document-addresses.ts';
import { DocumentRecorder } from '../document-recorder.ts';
import { EndpointRecorder } from '../endpoint-recorder.ts';

function open(server: ApiServer, options: Partial<KubernetesRegistryOptions> = {}): KubernetesRegistry {
  const { access } = server;
  return new KubernetesRegistry({
    access,
    clock: systemClock,
    random: seededRandom(1),
    backoffMs: 10,
    maxBackoffMs: 40,
    refusedWaitMs: 20,
    ...options,
  });
}

async function harness(
  watch: (registry: KubernetesRegistry, sink: Sink<readonly string[]>) => Watch,
  publish: (server: ApiServer, addresses: readonly string[]) => void,
  publishNonsense: (server: ApiServer) => void,
): Promise<RegistryHarness> {
  const server = new ApiServer();
  await server.start();
  const registry = open(server);
  return {
    registry,
    watch: (sink) => watch(registry, sink),
    publish: async (addresses) => publish(server, addresses),
    publishNonsense: async () => publishNonsense(server),
    tick: async () => {},
    disconnect: () => server.stop(),
    reconnect: () => server.start(),
    restart: async () => {
      await server.stop();
      server.objects.compact();
      await server.start();
    },
    dispose: () => server.stop(),
  };
}

registryContract('KubernetesRegistry of endpoints', () =>
  harness(
    (registry, sink) => {
      const recorder = new EndpointRecorder();
      const addresses = () => [...recorder.endpoints.keys()];
      return registry.watchEndpoints('reviews', {
        set: (change, version) => {
          void recorder.sink.set(change, version);
          return sink.set(addresses(), version);
        },
        absent: (version) => sink.absent(version),
        failed: (error) => sink.failed(error),
      });
    },
    (server, addresses) => {
      const endpoints = addresses.map((address) => readyAt(address.slice(0, address.indexOf(':'))));
      server.put(slicePlace, makeSlice('reviews-a', { endpoints }));
    },
    (server) => server.put(slicePlace, makeSlice('reviews-a', { ports: [], endpoints: [readyAt('10.0.0.1')] })),
  ),
);

registryContract('KubernetesRegistry of documents', () =>
  harness(
    (registry, sink) => registry.watchDocuments(documentAddresses(sink)),
    (server, addresses) =>
      server.put(configMapPlace, makeConfigMap('inmesh-mesh', { 'mesh.yaml': JSON.stringify({ addresses }) })),
    (server) => server.put(configMapPlace, makeConfigMap('inmesh-mesh', { 'mesh.yaml': 'nonsense' })),
  ),
);

describe('KubernetesRegistry', () => {
  let server: ApiServer;
  let registry: KubernetesRegistry;

  beforeEach(async () => {
    server = new ApiServer();
    await server.start();
    registry = open(server);
  });

  afterEach(async () => {
    await registry.close();
    await server.stop();
  });

  function watch(service = 'reviews'): EndpointRecorder {
    const recorder = new EndpointRecorder();
    registry.watchEndpoints(service, recorder.sink);
    return recorder;
  }

  function put(name: string, request: SliceRequest): void {
    server.put(slicePlace, makeSlice(name, request));
  }

  it('says that a service without slices is absent, and one without ready endpoints is not', async () => {
    const recorder = watch();
    await recorder.until('absent');
    put('a', { endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }] });
    await recorder.until('');
    server.delete(slicePlace, 'a');
    await recorder.until('absent');
    expect(recorder.told).toEqual(['absent', '', 'absent']);
  });

  it('puts the slices of a service together, page by page', async () => {
    for (let slice = 0; slice < 120; slice++) put(`s${slice}`, { endpoints: [readyAt(`10.1.0.${slice}`)] });
    put('other', { service: 'ratings', endpoints: [readyAt('10.9.9.9')] });
    const recorder = watch();
    await recorder.until('10.1.0.119:80');
    expect(recorder.endpoints.size).toBe(120);
    expect(recorder.changes).toHaveLength(1);
    expect(lists()).toHaveLength(3);
  });

  it('tells what one slice changes, and keeps an address that moves to another', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1'), readyAt('10.0.0.2')] });
    const recorder = watch();
    await recorder.until('10.0.0.1:80,10.0.0.2:80');
    put('b', { endpoints: [readyAt('10.0.0.2'), readyAt('10.0.0.3')] });
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    put('a', { endpoints: [endingAt('10.0.0.1')] });
    await recorder.until('10.0.0.2:80,10.0.0.3:80,~10.0.0.1:80');
    expect(recorder.changes.slice(1)).toEqual([
      { put: [expect.objectContaining({ host: '10.0.0.3' })], removed: [] },
      { put: [expect.objectContaining({ host: '10.0.0.1', state: 'draining' })], removed: [] },
    ]);
  });

  it.each([
    ['reviews', 'shop'],
    ['reviews.prod', 'prod'],
    ['reviews.prod.svc', 'prod'],
    ['reviews.prod.svc.cluster.local', 'prod'],
    ['reviews.prod.svc.cluster.local.:80', 'prod'],
  ])('looks for %s in the namespace %s', async (service, namespace) => {
    server.put(`endpointslices/${namespace}`, makeSlice('a', { endpoints: [readyAt('10.0.0.1')] }));
    await watch(service).until('10.0.0.1:80');
  });

  it.each(['api.example.com', 'a.b.c', '_http.reviews', 'REVIEWS', '10.0.0.1', '[::1]:80', '../secrets', ''])(
    'asks nobody about %j, which is no service',
    async (service) => {
      const recorder = watch(service);
      await recorder.until('absent');
      expect(server.requests).toEqual([]);
    },
  );

  /** The lists that were asked for. */
  function lists(): readonly string[] {
    return server.requests.filter((request) => request.includes('limit='));
  }

  it('goes on where a watch ended well, and says nothing of it', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await server.until(() => server.watchCount === 1);
    put('a', { endpoints: [readyAt('10.0.0.2')] });
    await recorder.until('10.0.0.2:80');
    server.endWatches();
    await server.until(() => server.watchCount === 0);
    put('a', { endpoints: [readyAt('10.0.0.3')] });
    await recorder.until('10.0.0.3:80');
    expect(recorder.told).toEqual(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']);
    expect(lists()).toHaveLength(1);
  });

  it('goes on from a bookmark when all before it is forgotten', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await server.until(() => server.watchCount === 1);
    server.objects.compact();
    server.bookmark();
    // What comes after the bookmark tells that it has come.
    server.send('{"type":"MODI');
    server.endWatches();
    await recorder.until('the watch ended within an event');
    await recorder.until('10.0.0.1:80');
    put('a', { endpoints: [readyAt('10.0.0.2')] });
    await recorder.until('10.0.0.2:80');
    expect(lists()).toHaveLength(1);
  });

  it('takes a watch for broken that ends at once, and waits before the next', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await server.until(() => server.watchCount === 1);
    server.endWatches();
    await recorder.until('the watch ended at once');
    await recorder.until('10.0.0.1:80');
  });

  /** Ends watches as soon as they are open, each after a bookmark and `event`; how long all that took, in ms. */
  async function endingWatches(times: number, event: string): Promise<number> {
    const clock = new VirtualClock();
    registry = open(server, { clock, backoffMs: 250, maxBackoffMs: 1_000 });
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    watch();
    for (let at = 0; at < times; at++) {
      await advanceUntil(clock, () => server.watchCount === 1);
      server.bookmark();
      server.send(event);
      server.endWatches();
      await server.until(() => server.watchCount === 0);
    }
    return clock.now();
  }

  /** Lets time pass until `condition` holds: the server and the clock know nothing of each other. */
  async function advanceUntil(clock: VirtualClock, condition: () => boolean): Promise<void> {
    while (!condition()) {
      await clock.advance(1);
      await nextTurn();
    }
  }

  it('waits longer and longer between watches that bring something and end at once', async () => {
    const elapsedMs = await endingWatches(5, '');
    expect(elapsedMs).toBeGreaterThan(125 + 250 + 500 + 500);
    expect(lists()).toHaveLength(1);
  });

  it('waits longer and longer between lists whose version is gone at once', async () => {
    const gone = '{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n';
    expect(await endingWatches(5, gone)).toBeGreaterThan(125 + 250 + 500 + 500);
    expect(lists()).toHaveLength(5);
  });

  it('resumes a watch that was cut within an event', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    await server.until(() => server.watchCount === 1);
    server.send('{"type":"MODIFIED","object":{"metadata":{"na');
    server.endWatches();
    await recorder.until('the watch ended within an event');
    await recorder.until('10.0.0.1:80');
    expect(lists()).toHaveLength(1);
  });

  it('lists again after an outage, because the server may have come back with an older state', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    await server.stop();
    await recorder.until('ECONNREFUSED');
    server.objects.version = 50;
    put('a', { endpoints: [readyAt('10.0.0.2')] });
    await server.start();
    await recorder.until('10.0.0.2:80');
  });

  it.each(['status', 'event'] as const)('lists again when its version is gone, told by a %s', async (goneAs) => {
    server.goneAs = goneAs;
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    await server.until(() => server.watchCount === 1);
    server.objects.compact();
    server.objects.put(slicePlace, makeSlice('a', { endpoints: [readyAt('10.0.0.2')] }));
    server.objects.compact();
    server.cutWatches();
    await recorder.until('10.0.0.2:80');
  });

  it('begins a list anew when its pages are gone', async () => {
    for (let slice = 0; slice < 60; slice++) put(`s${slice}`, { endpoints: [readyAt(`10.1.0.${slice}`)] });
    const recorder = watch();
    await server.until(() => server.requests.length === 1);
    server.objects.compact();
    await recorder.until('10.1.0.59:80');
    expect(recorder.endpoints.size).toBe(60);
    expect(lists().length).toBeGreaterThanOrEqual(3);
    expect(recorder.told).toHaveLength(1);
  });

  it('waits before it lists again after another error event', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    await server.until(() => server.watchCount === 1);
    server.send('{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcdserver: no leader"}}\n');
    await recorder.until('status 500: etcdserver: no leader');
    await recorder.until('10.0.0.1:80');
    expect(lists()).toHaveLength(2);
  });

  it.each([
    ['no JSON\n', 'an event that is no JSON'],
    ['null\n', 'an event without an object'],
    ['{"type":"ADDED"}\n', 'an event without an object'],
    ['{"type":"ADDED","object":{}}\n', 'an event without a resourceVersion'],
    ['{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}\n', 'an event without a name'],
    ['{"type":"MOVED","object":{"metadata":{"resourceVersion":"1","name":"a"}}}\n', 'an event of unknown type'],
    ['{"type":"ERROR","object":{}}\n', 'status 500'],
  ])('says what is wrong with %j, and lists again', async (event, message) => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    await server.until(() => server.watchCount === 1);
    server.send(event);
    await recorder.until(`kubernetes://${server.access.host}/shop: endpointslices of namespace shop, service reviews`);
    expect(recorder.last).toContain(message);
    await recorder.until('10.0.0.1:80');
  });

  it('tells nothing twice when events are repeated', async () => {
    server.repeatsAdded = true;
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    await server.until(() => server.watchCount === 1);
    put('a', { endpoints: [readyAt('10.0.0.2')] });
    await recorder.until('10.0.0.2:80');
    expect(recorder.told).toEqual(['10.0.0.1:80', '10.0.0.2:80']);
  });

  it('reads events that come byte by byte', async () => {
    server.isSlow = true;
    put('a', { endpoints: [] });
    const recorder = watch();
    await recorder.until('');
    await server.until(() => server.watchCount === 1);
    put('a', { endpoints: [{ ...readyAt('10.0.0.1'), zone: 'zürich-€-𝄞' }] });
    await recorder.until('10.0.0.1:80');
    expect(recorder.endpoints.get('10.0.0.1:80')?.labels).toEqual({ zone: 'zürich-€-𝄞' });
  });

  it.each([
    [401, 'the token or certificate is not accepted'],
    [403, 'the account lacks a role that allows this'],
    [500, 'status 500'],
    [404, 'status 404'],
  ])('says what failed at status %i, and goes on', async (status, message) => {
    server.statuses.push(status);
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch('reviews.shop');
    await recorder.until(message);
    expect(recorder.last).toContain('endpointslices of namespace shop, service reviews');
    await recorder.until('10.0.0.1:80');
  });

  /** Requests for services of another namespace are refused while the answer is true. */
  function forbidOthers(isForbidden: () => boolean): void {
    server.refuses = (request) => (isForbidden() && !request.includes('/namespaces/shop/') ? 403 : undefined);
  }

  it('tells once of a namespace that may not be read, and takes its services for none', async () => {
    forbidOthers(() => true);
    const first = watch('example.com');
    await first.until('absent');
    expect(first.told).toEqual([expect.stringContaining('namespace com, service example: status 403'), 'absent']);
    const others = ['other.com', 'example.org'].map((service) => watch(service));
    await Promise.all(others.map((recorder) => recorder.until('absent')));
    expect(others.map(({ told }) => told.length)).toEqual([1, 2]);
    // Asking again tells nothing new.
    const asked = server.requests.length;
    await server.until(() => server.requests.length > asked + 6);
    expect(first.told).toHaveLength(2);
  });

  it('finds the services of a namespace as soon as it may be read, and keeps them when it may not any more', async () => {
    let isForbidden = true;
    forbidOthers(() => isForbidden);
    server.put('endpointslices/prod', makeSlice('a', { endpoints: [readyAt('10.0.0.1')] }));
    const recorder = watch('reviews.prod');
    await recorder.until('absent');
    isForbidden = false;
    await recorder.until('10.0.0.1:80');
    await server.until(() => server.watchCount === 1);
    isForbidden = true;
    server.cutWatches();
    await recorder.until('status 403');
    expect(recorder.told.slice(recorder.told.indexOf('10.0.0.1:80'))).not.toContain('absent');
  });

  it('does not take a service of its own namespace for none that may not be read', async () => {
    server.refuses = () => 403;
    const recorder = watch();
    await recorder.until('status 403');
    const asked = server.requests.length;
    await server.until(() => server.requests.length > asked + 2);
    expect(recorder.told).not.toContain('absent');
  });

  it.each([401, 403])('waits long after status %i', async (status) => {
    const clock = new VirtualClock();
    registry = open(server, { clock, refusedWaitMs: undefined });
    server.statuses.push(status);
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until(`status ${status}`);
    await clock.advance(29_999);
    expect(server.requests).toHaveLength(1);
    await clock.advance(15_001);
    await recorder.until('10.0.0.1:80');
    expect(clock.now()).toBe(45_000);
  });

  it('does not wait for the body of an error longer than two seconds', async () => {
    const clock = new VirtualClock();
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    server.stallsErrors = true;
    server.refuses = (request) => (request.includes('watch=true') ? 500 : undefined);
    registry = open(server, { clock });
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    await server.until(() => server.requests.length === 2);
    await advanceUntil(clock, () => recorder.last?.includes('status 500') === true);
    expect(clock.now()).toBeGreaterThanOrEqual(2_000);
    expect(clock.now()).toBeLessThan(5_000);
  });

  it('is named after what decides what it reads', () => {
    const names = [
      {},
      { namespace: 'prod' },
      { portName: 'admin' },
      { selector: 'a=b,c in (d)' },
      { portName: 'admin', selector: 'a=b', context: 'kind & more' },
    ].map((options) => open(server, options).name.slice(`kubernetes://${server.access.host}`.length));
    expect(names).toEqual([
      '/shop',
      '/prod',
      '/shop?portName=admin',
      '/shop?selector=a%3Db%2Cc+in+%28d%29',
      '/shop?context=kind+%26+more&portName=admin&selector=a%3Db',
    ]);
  });

  it('names the ports when it cannot choose one, and keeps the other slices', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const ports = [
      { name: 'grpc', port: 9000 },
      { name: 'admin', port: 9100 },
    ];
    const recorder = watch();
    await recorder.until('10.0.0.1:80');
    put('b', { endpoints: [readyAt('10.0.0.2')], ports });
    await recorder.until('slice b: none of its TCP ports is named http; it has: grpc 9000, admin 9100');
    put('a', { endpoints: [readyAt('10.0.0.3')] });
    await recorder.until('10.0.0.3:80');
    put('b', { endpoints: [readyAt('10.0.0.2')] });
    await recorder.until('10.0.0.2:80,10.0.0.3:80');
  });

  it('takes the port that a URL names by its number', async () => {
    const ports = [
      { name: 'http', port: 8080 },
      { name: 'admin', port: 9100 },
    ];
    put('a', { endpoints: [readyAt('10.0.0.1')], ports });
    await watch('reviews:9100').until('10.0.0.1:9100');
    await watch('reviews').until('10.0.0.1:8080');
    await watch('reviews:9200').until('none of its TCP ports has the number 9200; it has: http 8080, admin 9100');
  });

  it('sends its token, a new one each time', async () => {
    let token = 'first';
    server.authorization = 'Bearer second';
    const access = { ...server.access, token: () => token };
    registry = open(server, { access });
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await recorder.until('status 401');
    expect(recorder.last).not.toContain('first');
    token = 'second';
    await recorder.until('10.0.0.1:80');
  });

  it('talks to servers behind a path', async () => {
    registry = open(server, { access: { ...server.access, pathPrefix: '/prefix' } });
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    await watch().until('10.0.0.1:80');
    expect(server.requests.every((request) => request.startsWith('GET /prefix/apis/discovery.k8s.io/v1/'))).toBe(true);
  });

  it('tells a sink nothing more that closes its watch while it is told', async () => {
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const closing = new EndpointRecorder();
    const opened = registry.watchEndpoints('reviews', closing.sink);
    closing.onTold = () => opened.close();
    const other = watch();
    await other.until('10.0.0.1:80');
    await closing.until('10.0.0.1:80');
    put('a', { endpoints: [readyAt('10.0.0.2')] });
    await other.until('10.0.0.2:80');
    expect(closing.told).toEqual(['10.0.0.1:80']);
    expect(server.watchCount).toBe(1);
  });

  it('gives up a watch that its server neither ends nor serves, and leaves no timer behind', async () => {
    const clock = new VirtualClock();
    registry = open(server, { clock });
    put('a', { endpoints: [readyAt('10.0.0.1')] });
    const recorder = watch();
    await server.until(() => server.watchCount === 1);
    put('a', { endpoints: [readyAt('10.0.0.2')] });
    await recorder.until('10.0.0.2:80');
    await clock.advance(299_000);
    expect(recorder.last).toBe('10.0.0.2:80');
    while (!recorder.last?.includes('the watch neither ends nor answers')) await clock.advance(1);
    expect(clock.now()).toBeLessThan(330_000);
    expect(clock.pendingTimers).toBe(clock.pendingBackgroundTimers);
    await registry.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('asks for watches of different lengths', async () => {
    for (const service of ['a', 'b', 'c']) watch(service);
    await server.until(() => server.watchCount === 3);
    const seconds = server.requests.flatMap((request) => /timeoutSeconds=(\d+)/.exec(request)?.[1] ?? []).map(Number);
    expect(new Set(seconds).size).toBeGreaterThan(1);
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(270);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(297);
  });

  it('has documents of all ConfigMaps with the label, and of no others', async () => {
    server.put(configMapPlace, makeConfigMap('b', { 'two.yaml': '2', 'one.yaml': '1' }));
    server.put(configMapPlace, makeConfigMap('a', { 'mesh.yaml': 'ü' }));
    server.put(configMapPlace, makeConfigMap('c', { 'mesh.yaml': '3' }, { app: 'other' }));
    const recorder = new DocumentRecorder();
    const { told, documents, sink } = recorder;
    registry.watchDocuments(sink);
    await recorder.until(() => told.length === 1);
    expect(documents[0]?.all).toEqual([
      { name: 'kubernetes:shop/a/mesh.yaml', text: 'ü' },
      { name: 'kubernetes:shop/b/one.yaml', text: '1' },
      { name: 'kubernetes:shop/b/two.yaml', text: '2' },
    ]);
    // Changes that leave the data alone are none.
    server.put(configMapPlace, makeConfigMap('a', { 'mesh.yaml': 'ü' }, { 'inmesh.dev/config': 'true', more: 'x' }));
    server.delete(configMapPlace, 'b');
    await recorder.until(() => told.length === 2);
    expect(documents[1]).toEqual({
      all: [{ name: 'kubernetes:shop/a/mesh.yaml', text: 'ü' }],
      version: String(server.objects.version),
    });
    // It loses its label.
    server.put(configMapPlace, makeConfigMap('a', { 'mesh.yaml': 'ü' }, {}));
    await recorder.until(() => told.length === 3);
    expect(told[2]).toBe('absent');
  });

  it('reads the documents that another selector selects', async () => {
    registry = open(server, { selector: 'app=mesh,stage=test' });
    server.put(configMapPlace, makeConfigMap('a', { x: '1' }, { app: 'mesh', stage: 'test' }));
    server.put(configMapPlace, makeConfigMap('b', { x: '2' }, { app: 'mesh' }));
    const recorder = new DocumentRecorder();
    registry.watchDocuments(recorder.sink);
    await recorder.until(() => recorder.told.length === 1);
    expect(recorder.told).toEqual(['kubernetes:shop/a/x']);
    expect(registry.store).toBeDefined();
    expect(open(server, { selector: 'app in (a, b)' }).store).toBeUndefined();
  });

  it('has no way to register: that is what kubelets do', () => {
    expect('register' in registry).toBe(false);
  });

  it('rejects what the store is asked once it is closed', async () => {
    await registry.close();
    const error = await registry.store?.list().catch((thrown: unknown) => thrown);
    expect(isMeshError(error, 'INMESH_CLOSED')).toBe(true);
  });
});

describe('KubernetesRegistry over TLS', () => {
  it('watches many services on HTTP/2, and proves who it is', async () => {
    const authority = await createAuthority();
    const leaf = await authority.issue({ ips: ['127.0.0.1'] });
    const server = new ApiServer({ cert: leaf.cert, key: leaf.key });
    await server.start();
    const registry = open(server, { access: { ...server.access, tls: { ca: authority.cert } } });
    const services = Array.from({ length: 150 }, (_, index) => `s${index}`);
    for (const [index, service] of services.entries()) {
      server.put(slicePlace, makeSlice(service, { service, endpoints: [readyAt(`10.0.0.${index}`)] }));
    }
    const recorders = services.map((service) => {
      const recorder = new EndpointRecorder();
      registry.watchEndpoints(service, recorder.sink);
      return recorder;
    });
    await Promise.all(recorders.map((recorder, index) => recorder.until(`10.0.0.${index}:80`)));
    await server.until(() => server.watchCount === services.length);
    expect(server.connectionCount).toBeLessThan(10);
    for (const [index, service] of services.entries()) {
      server.put(slicePlace, makeSlice(service, { service, endpoints: [readyAt(`10.0.1.${index}`)] }));
    }
    await Promise.all(recorders.map((recorder, index) => recorder.until(`10.0.1.${index}:80`)));
    await registry.close();
    await server.stop();
  });

  it('says that it does not trust a server of another authority', async () => {
    const leaf = await (await createAuthority()).issue({ ips: ['127.0.0.1'] });
    const other = await createAuthority('other');
    const server = new ApiServer({ cert: leaf.cert, key: leaf.key });
    await server.start();
    const registry = open(server, { access: { ...server.access, tls: { ca: other.cert } } });
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('reviews', recorder.sink);
    await recorder.until('unable to verify the first certificate');
    await registry.close();
    await server.stop();
  });
});
