import { Agent, getGlobalDispatcher, request, setGlobalDispatcher, fetch as undiciFetch } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createMesh } from '../../src/adapters/create-mesh.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import type { Registry } from '../../src/discovery/registry.ts';
import { Bench, type Echo, echo } from './bench.ts';

const bench = new Bench();
const former = getGlobalDispatcher();
afterEach(async () => {
  await bench.close();
  setGlobalDispatcher(former);
});

describe('mesh.install', () => {
  it('brings built-in fetch and undici into the mesh, and uninstall takes them out again', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.mesh([address]);
    const uninstall = mesh.install();
    for (const send of [fetch, undiciFetch]) {
      const seen = (await (await send('http://reviews/1')).json()) as Echo;
      expect(seen.headers.host).toBe('reviews');
    }
    expect(((await (await request('http://reviews/1')).body.json()) as Echo).url).toBe('/1');
    uninstall();
    await expect(fetch('http://reviews.invalid/1')).rejects.toThrow('fetch failed');
    expect(getGlobalDispatcher()).toBe(former);
  });

  it('passes unknown hosts as before, without headers of the mesh', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.mesh(['127.0.0.1:1'], undefined, { defaults: { timeoutMs: 5_000 } });
    mesh.install();
    const seen = (await (await fetch(`http://${address}/1`, { method: 'POST', body: 'x' })).json()) as Echo;
    expect(seen.body).toBe('x');
    expect(Object.keys(seen.headers).filter((name) => name.startsWith('x-envoy'))).toEqual([]);
  });

  it('passes other ports of a host that it knows', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.meshOf({ services: [{ host: '127.0.0.1', endpoints: [{ address: '127.0.0.1:1' }] }] });
    mesh.install();
    expect((await fetch(`http://${address}/1`)).status).toBe(200);
  });

  it('knows every host that resolves, with a registry that has no documents', async () => {
    const { address } = await bench.server(echo);
    const mesh = await createMesh({ service: 'productpage', registry: 'dns:' });
    bench.onClose(() => mesh.close());
    mesh.install();
    expect((await fetch(`http://${address}/1`)).status).toBe(200);
    expect(mesh.status().services.flatMap(({ endpoints }) => endpoints.map((one) => one.address))).toEqual([address]);
  });

  /** A registry of documents that can also be asked by name; it knows `reviews`. */
  function askedFor(address: string, asked: string[], answer: 'answers' | 'fails' | 'is silent'): Registry {
    const documents = new MemoryRegistry({});
    const [host = '', port] = address.split(':');
    return {
      name: 'both',
      watchDocuments: (sink) => documents.watchDocuments(sink),
      watchEndpoints: (service, sink) => {
        asked.push(service);
        queueMicrotask(() => {
          if (answer === 'fails') sink.failed(new Error('down'));
          else if (answer === 'answers' && service === 'reviews') {
            void sink.set({ full: [makeEndpoint({ host, port: Number(port) })] }, '1');
          } else if (answer === 'answers') sink.absent('1');
        });
        return { close: () => {} };
      },
      close: async () => {},
    };
  }

  it.each([
    ['fetch', (url: string) => fetch(url).then((response) => response.json())],
    ['request', (url: string) => request(url).then(({ body }) => body.json())],
  ] as const)('asks the registry for hosts that no document names before %s passes them', async (_name, send) => {
    const { address, port } = await bench.server(echo);
    const asked: string[] = [];
    const mesh = await createMesh({ service: 'productpage', registry: askedFor(address, asked, 'answers') });
    bench.onClose(() => mesh.close());
    mesh.install();
    expect(((await send('http://reviews/1')) as Echo).headers.host).toBe('reviews');
    expect(((await send(`http://localhost:${port}/1`)) as Echo).headers.host).toBe(`localhost:${port}`);
    expect(((await send(`http://localhost:${port}/2`)) as Echo).url).toBe('/2');
    expect(((await send(`http://${address}/3`)) as Echo).url).toBe('/3');
    expect(asked).toEqual(['reviews', 'localhost']);
  });

  it('lets all requests to a host wait for the one answer of the registry', async () => {
    const { address } = await bench.server(echo);
    const asked: string[] = [];
    const mesh = await createMesh({ service: 'productpage', registry: askedFor(address, asked, 'answers') });
    bench.onClose(() => mesh.close());
    mesh.install();
    const seen = await Promise.all([1, 2, 3].map(async (index) => (await fetch(`http://reviews/${index}`)).status));
    expect([seen, asked]).toEqual([[200, 200, 200], ['reviews']]);
  });

  it.each(['fails', 'is silent'] as const)('passes them when the registry %s', async (answer) => {
    const { address, port } = await bench.server(echo);
    const asked: string[] = [];
    const mesh = await createMesh({ service: 'productpage', registry: askedFor(address, asked, answer) });
    bench.onClose(() => mesh.close());
    mesh.install();
    const seen = (await (await fetch(`http://localhost:${port}/1`)).json()) as Echo;
    expect([seen.url, asked]).toEqual(['/1', ['localhost']]);
  });

  it('refuses unknown hosts when told to', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.mesh(['127.0.0.1:1']);
    mesh.install({ unknown: 'refuse' });
    await expect(fetch(`http://${address}/1`)).rejects.toMatchObject({ cause: { code: 'INMESH_UNKNOWN_HOST' } });
    expect(() => mesh.install({ unknown: 'maybe' as never })).toThrow(/pass, refuse/);
  });

  it('leaves a dispatcher alone that somebody has set since', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    const uninstall = mesh.install();
    const other = new Agent();
    bench.onClose(() => other.close());
    setGlobalDispatcher(other);
    uninstall();
    expect(getGlobalDispatcher()).toBe(other);
  });

  it('passes everything on once it is uninstalled below another one', async () => {
    const { address } = await bench.server(echo);
    const [lower, upper] = [await bench.mesh([address]), await bench.mesh(['127.0.0.1:1'])];
    lower.install();
    upper.install();
    await lower.close();
    for (const send of [fetch, undiciFetch]) expect((await send(`http://${address}/`)).status).toBe(200);
    await upper.close();
    for (const send of [fetch, undiciFetch]) expect((await send(`http://${address}/`)).status).toBe(200);
    expect(getGlobalDispatcher()).toBe(former);
  });

  it('refuses none when the document allows any host', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.meshOf({ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } });
    mesh.install({ unknown: 'refuse' });
    for (const send of [fetch, undiciFetch]) expect((await send(`http://${address}/`)).status).toBe(200);
  });

  it('ends with the mesh', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    mesh.install();
    await mesh.close();
    expect(getGlobalDispatcher()).toBe(former);
  });
});
