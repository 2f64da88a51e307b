import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import { codeOf } from './code-of.ts';
import { ManualEndpoints, ManualRegistry } from './manual-registry.ts';
import { reviews, type VirtualMesh, virtualMeshOver } from './virtual-mesh.ts';

const [a, b] = ['10.0.0.1:80', '10.0.0.2:80'] as const;
const full = [makeEndpoint({ host: '10.0.0.1', port: 80 })];

let virtual: VirtualMesh;
afterEach(() => virtual.close());

/** A mesh over a registry without documents, as `dns:` is. */
async function openEndpoints() {
  const opened = await virtualMeshOver(new ManualEndpoints());
  virtual = opened;
  return opened;
}

/** A mesh over a registry of documents and endpoints. */
async function openMemory(document: object = {}) {
  const opened = await virtualMeshOver(new MemoryRegistry(document, 'memory'));
  virtual = opened;
  return opened;
}

function call(url = 'http://reviews/'): Promise<number | string> {
  return virtual.mesh.request(url).then(({ statusCode }) => statusCode, codeOf);
}

function hosts(): string[] {
  return virtual.mesh.status().services.map(({ host }) => host);
}

describe('a host that no document names', () => {
  it('is asked for once, and its calls wait until the registry answers', async () => {
    const { registry, clock, network } = await openEndpoints();
    const calls = [call(), call()];
    await clock.advance(1_000);
    expect([...registry.watches.keys()]).toEqual(['reviews']);
    expect(network.received).toEqual([]);
    registry.sinkOf('reviews').set({ full }, '1');
    await clock.advance(5);
    expect(await Promise.all(calls)).toEqual([200, 200]);
    const later = call();
    await clock.advance(5);
    expect(await later).toBe(200);
    expect(registry.watches.get('reviews')).toHaveLength(1);
    expect(hosts()).toEqual(['reviews']);
  });

  it('is asked for by its name and port where there are no documents, each port for itself', async () => {
    const { registry, clock } = await openEndpoints();
    const calls = [call('http://reviews/'), call('http://reviews:9080/'), call('http://REVIEWS:80/')];
    expect([...registry.watches.keys()]).toEqual(['reviews', 'reviews:9080']);
    registry.sinkOf('reviews').set({ full }, '1');
    registry.sinkOf('reviews:9080').set({ full: [makeEndpoint({ host: '10.0.0.9', port: 9080 })] }, '1');
    await clock.advance(5);
    expect(await Promise.all(calls)).toEqual([200, 200, 200]);
    expect(virtual.network.received.map(({ endpoint }) => endpoint)).toEqual([a, a, '10.0.0.9:9080']);
  });

  it('is refused when the registry does not know it, and not asked for again for 5 s', async () => {
    const { registry, clock } = await openEndpoints();
    const waiting = call();
    registry.sinkOf('reviews').absent('1');
    expect(await waiting).toBe('INMESH_UNKNOWN_HOST');
    expect(registry.watches.get('reviews')).toMatchObject([{ closed: true }]);
    await clock.advance(4_999);
    expect(await call()).toBe('INMESH_UNKNOWN_HOST');
    expect(registry.watches.get('reviews')).toHaveLength(1);
    await clock.advance(1);
    const again = call();
    registry.sinkOf('reviews').set({ full }, '2');
    await clock.advance(5);
    expect(await again).toBe(200);
    expect(registry.watches.get('reviews')).toHaveLength(2);
  });

  it('is waited for as long as readyTimeoutMs, and served once the registry answers after all', async () => {
    const { registry, clock } = await openEndpoints();
    const waiting = call();
    await clock.advance(4_999);
    expect(await Promise.race([waiting, 'waiting'])).toBe('waiting');
    await clock.advance(1);
    expect(await waiting).toBe('INMESH_NO_ENDPOINT');
    expect(await call()).toBe('INMESH_NO_ENDPOINT');
    registry.sinkOf('reviews').set({ full }, '1');
    await clock.advance(0);
    const served = call();
    await clock.advance(5);
    expect(await served).toBe(200);
  });

  it('is not waited for longer than the call has time', async () => {
    const { clock, mesh } = await openEndpoints();
    const short = mesh.request('http://reviews/', { mesh: { timeoutMs: 100 } }).catch(codeOf);
    const controller = new AbortController();
    const cancelled = mesh.request('http://reviews/', { signal: controller.signal }).catch(String);
    await clock.advance(50);
    controller.abort('no longer');
    expect(await cancelled).toBe('no longer');
    await clock.advance(50);
    expect(await short).toBe('INMESH_TIMEOUT');
  });

  it('keeps its endpoints when the registry fails, and has none when it is not registered any more', async () => {
    const { registry, clock } = await openEndpoints();
    const first = call();
    const sink = registry.sinkOf('reviews');
    sink.set({ full }, '1');
    await clock.advance(5);
    sink.failed(new Error('gone'));
    const second = call();
    await clock.advance(5);
    sink.absent('2');
    expect([await first, await second, await call()]).toEqual([200, 200, 'INMESH_NO_ENDPOINT']);
  });

  it('is one of ten thousand at most', async () => {
    const { registry } = await openEndpoints();
    const calls = Array.from({ length: 10_001 }, (_, index) => call(`http://service-${index}/`));
    expect(registry.watches.size).toBe(10_000);
    expect(await calls[10_000]).toBe('INMESH_UNKNOWN_HOST');
    for (const [service] of registry.watches) registry.sinkOf(service).absent('1');
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['INMESH_UNKNOWN_HOST']));
    expect(hosts()).toEqual([]);
  });

  it('is refused at once where the registry cannot be asked', async () => {
    const registry = new ManualRegistry();
    const opening = virtualMeshOver(registry);
    void registry.tell({}, '1');
    virtual = await opening;
    expect(await call()).toBe('INMESH_UNKNOWN_HOST');
  });

  it('leaves no timer and no pool when the mesh closes while it is waited for', async () => {
    const { clock } = await openEndpoints();
    const waiting = call();
    await virtual.close();
    expect(await waiting).toBe('INMESH_CLOSED');
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a host that the document names later', () => {
  it('gets the settings of the document, and stays in the metrics', async () => {
    const { registry, clock, mesh } = await openMemory();
    await registry.setEndpoints('reviews', full);
    const found = call();
    await clock.advance(5);
    expect(await found).toBe(200);
    await registry.setDocument({ services: [reviews([b], { loadBalancer: { simple: 'RANDOM' } })] });
    const configured = call();
    await clock.advance(5);
    expect(await configured).toBe(200);
    expect(mesh.status().services).toMatchObject([{ host: 'reviews', loadBalancer: 'RANDOM' }]);
    const prometheus = new PrometheusRegistry();
    mesh.metrics.attach(prometheus);
    expect(await prometheus.metrics()).toMatch(/^inmesh_calls_total\{service="reviews",.*\} 2$/m);
  });

  it('is asked for under its name without the port', async () => {
    const { registry, clock } = await openMemory({ services: [{ host: 'other' }] });
    await registry.setEndpoints('reviews', full);
    const call9080 = call('http://reviews:9080/');
    await clock.advance(5);
    expect(await call9080).toBe(200);
  });
});

describe('the metrics of two ports of one host', () => {
  it('stay when one of them turns out not to be there', async () => {
    const { registry, clock, mesh } = await openEndpoints();
    const known = call();
    const unknown = call('http://reviews:81/');
    registry.sinkOf('reviews').set({ full }, '1');
    registry.sinkOf('reviews:81').absent('1');
    await clock.advance(5);
    expect([await known, await unknown]).toEqual([200, 'INMESH_UNKNOWN_HOST']);
    const prometheus = new PrometheusRegistry();
    mesh.metrics.attach(prometheus);
    expect(await prometheus.metrics()).toContain('inmesh_endpoints{service="reviews"} 1');
  });
});

describe('a service of the document without endpoints', () => {
  it('is no unknown host, also for those who wait while the registry finds out that it does not know it', async () => {
    const endpoints = new ManualEndpoints();
    const documents = new MemoryRegistry({ services: [reviews([])] });
    const opened = await virtualMeshOver({
      name: 'both',
      watchDocuments: (sink) => documents.watchDocuments(sink),
      watchEndpoints: (service, sink) => endpoints.watchEndpoints(service, sink),
      close: async () => {},
    });
    virtual = opened;
    const waiting = call();
    await opened.clock.advance(10);
    endpoints.sinkOf('reviews').absent('1');
    expect([await waiting, await call()]).toEqual(['INMESH_NO_ENDPOINT', 'INMESH_NO_ENDPOINT']);
  });

  it('gets those of the registry', async () => {
    const { registry, clock } = await openMemory({ services: [reviews([])] });
    await registry.setEndpoints('reviews', full);
    const served = call();
    await clock.advance(5);
    expect(await served).toBe(200);
  });
});

describe('services that nobody calls', () => {
  const minute = 60_000;

  it('are released after ten minutes when a call has named them, and found again by the next', async () => {
    const { registry, clock } = await openEndpoints();
    const first = call();
    registry.sinkOf('reviews').set({ full }, '1');
    await clock.advance(9 * minute);
    const second = call();
    await clock.advance(10 * minute);
    expect([await first, await second, hosts()]).toEqual([200, 200, ['reviews']]);
    await clock.advance(minute);
    expect(hosts()).toEqual([]);
    expect(registry.watches.get('reviews')).toMatchObject([{ closed: true }]);
    const third = call();
    registry.sinkOf('reviews').set({ full }, '2');
    await clock.advance(5);
    expect(await third).toBe(200);
  });

  it('are not released while a call is under way', async () => {
    const silent = { faults: [{ kind: 'stall' as const }] };
    const opened = await virtualMeshOver(new ManualEndpoints(), { endpoints: { [a]: silent } });
    virtual = opened;
    const waiting = opened.mesh.request('http://reviews/', { mesh: { headTimeoutMs: false } }).catch(codeOf);
    opened.registry.sinkOf('reviews').set({ full }, '1');
    await opened.clock.advance(30 * minute);
    expect(hosts()).toEqual(['reviews']);
    await opened.close();
    expect(await waiting).toBe('INMESH_CLOSED');
  });

  const many = Array.from({ length: 101 }, (_, index) => ({ host: `service-${index}` }));

  /** A document with so many services that they are asked for when they are called. */
  async function openMany() {
    const endpoints = new ManualEndpoints();
    const documents = new MemoryRegistry({
      services: [...many, reviews([b]), { host: 'static', endpoints: [{ address: b }] }],
    });
    const opened = await virtualMeshOver({
      name: 'both',
      watchDocuments: (sink) => documents.watchDocuments(sink),
      watchEndpoints: (service, sink) => endpoints.watchEndpoints(service, sink),
      close: async () => {},
    });
    virtual = opened;
    await opened.clock.advance(10);
    return { ...opened, endpoints, documents };
  }

  it('are asked for by their first call where the document names more than a hundred', async () => {
    const { endpoints, clock } = await openMany();
    expect(endpoints.watches.size).toBe(0);
    const first = call('http://service-7/');
    expect([...endpoints.watches.keys()]).toEqual(['service-7']);
    endpoints.sinkOf('service-7').set({ full }, '1');
    await clock.advance(5);
    expect(await first).toBe(200);
  });

  it('serve their first call from the document, when that names endpoints, while the registry is asked', async () => {
    const { endpoints, clock, network } = await openMany();
    const first = call();
    await clock.advance(5);
    expect([await first, network.received.at(-1)?.endpoint]).toEqual([200, b]);
    endpoints.sinkOf('reviews').set({ full }, '1');
    const second = call();
    await clock.advance(5);
    expect([await second, network.received.at(-1)?.endpoint]).toEqual([200, a]);
  });

  it('are asked for when a change of the document leaves them without endpoints', async () => {
    const { endpoints, documents, clock } = await openMany();
    const first = call('http://static/');
    await clock.advance(5);
    expect(await first).toBe(200);
    await clock.advance(11 * minute);
    await documents.setDocument({ services: [...many, { host: 'static' }] });
    const asked = call('http://static/');
    endpoints.sinkOf('static').set({ full }, '1');
    await clock.advance(5);
    expect(await asked).toBe(200);
  });

  it('forget what the registry told, and know it again with the next call', async () => {
    const { endpoints, clock, mesh } = await openMany();
    const first = call('http://service-7/');
    endpoints.sinkOf('service-7').set({ full }, '1');
    await clock.advance(11 * minute);
    expect(await first).toBe(200);
    expect(mesh.status().services.find(({ host }) => host === 'service-7')?.endpoints).toEqual([]);
    expect(endpoints.watches.get('service-7')).toMatchObject([{ closed: true }]);
    const again = call('http://service-7/');
    endpoints.sinkOf('service-7').failed(new Error('down'));
    await clock.advance(5);
    expect(await again).toBe(200);
  });
});

describe('closing a mesh', () => {
  it('does not wait for the connections of a service that a reload has removed', async () => {
    const silent = { faults: [{ kind: 'connect-timeout' as const }] };
    const registry = new MemoryRegistry({ services: [reviews([a])] }, 'memory');
    const opened = await virtualMeshOver(registry, { endpoints: { [a]: silent } });
    virtual = opened;
    const waiting = call();
    await opened.clock.advance(10);
    await registry.setDocument({});
    let closed = false;
    const closing = opened.mesh.close({ timeoutMs: 100 }).then(() => {
      closed = true;
    });
    await opened.clock.advance(200);
    expect([closed, await waiting]).toEqual([true, 'INMESH_CLOSED']);
    await closing;
    expect(opened.clock.pendingTimers).toBe(0);
  });
});
