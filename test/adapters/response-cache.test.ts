import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { cacheStores } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import type { CacheStore } from '../../src/mesh/create-engine.ts';
import { Bench } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const url = 'http://reviews/1';
const cached = { mesh: { cache: true } };

/** A server that answers with `headers`, and counts. */
async function counting(headers: Record<string, string>) {
  const seen: { method: string; ifNoneMatch: string | undefined }[] = [];
  const { address } = await bench.server((request, response) => {
    const ifNoneMatch = request.headers['if-none-match'];
    seen.push({ method: request.method ?? '', ifNoneMatch });
    if (ifNoneMatch !== undefined && ifNoneMatch === headers.etag) {
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(200, headers).end(`answer ${seen.length}`);
  });
  const mesh = await bench.mesh([address]);
  const text = async (options: object = cached) => (await mesh.request(url, options)).body.text();
  return { mesh, seen, text };
}

describe('a call with a cache', () => {
  it('is answered without a request while the answer is fresh, through each way in', async () => {
    const { mesh, seen, text } = await counting({ 'cache-control': 'max-age=60' });
    expect(await text()).toBe('answer 1');
    expect(await text()).toBe('answer 1');
    expect(await (await mesh.fetch(url, cached)).text()).toBe('answer 1');
    expect(seen).toHaveLength(1);
  });

  it('is sent when it did not ask for it', async () => {
    const { seen, text } = await counting({ 'cache-control': 'max-age=60' });
    await text();
    expect(await text({})).toBe('answer 2');
    expect(seen).toHaveLength(2);
  });

  it.each(['no-store', 'private', 'max-age=0'])('keeps nothing that is %s', async (control) => {
    const { text } = await counting({ 'cache-control': control });
    expect([await text(), await text()]).toEqual(['answer 1', 'answer 2']);
  });

  it('asks whether an old answer still holds', async () => {
    const { seen, text } = await counting({ 'cache-control': 'no-cache', etag: '"1"' });
    expect([await text(), await text()]).toEqual(['answer 1', 'answer 1']);
    expect(seen.map(({ ifNoneMatch }) => ifNoneMatch)).toEqual([undefined, '"1"']);
  });

  it('forgets what another method may have changed', async () => {
    const { seen, text } = await counting({ 'cache-control': 'max-age=60' });
    await text();
    await text({ ...cached, method: 'PUT', body: 'x' });
    await text();
    expect(seen.map(({ method }) => method)).toEqual(['GET', 'PUT', 'GET']);
  });

  it('serves a kept answer when the service fails, where the service allows it', async () => {
    let broken = false;
    const { address } = await bench.server((_request, response) => {
      if (broken) response.writeHead(503).end();
      else response.writeHead(200, { 'cache-control': 'max-age=0, stale-if-error=60', etag: '"1"' }).end('kept');
    });
    const mesh = await bench.mesh([address]);
    const ask = async () => {
      const { statusCode, body } = await mesh.request(url, { mesh: { cache: true, retries: false } });
      return [statusCode, await body.text()];
    };
    expect(await ask()).toEqual([200, 'kept']);
    broken = true;
    expect(await ask()).toEqual([200, 'kept']);
  });

  it('takes a store of its own', async () => {
    const store = new cacheStores.MemoryCacheStore({ maxCount: 10 });
    const { address } = await bench.server((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end('kept');
    });
    const mesh = await bench.mesh([address], {}, { cacheStore: store });
    await (await mesh.request(url, cached)).body.text();
    await expect
      .poll(() => store.get({ origin: 'http://reviews', method: 'GET', path: '/1', headers: {} }))
      .toBeTruthy();
  });

  it('passes errors on', async () => {
    const { address } = await bench.server((request) => request.socket.destroy());
    const mesh = await bench.mesh([address]);
    await expect(mesh.request(url, { mesh: { cache: true, retries: false } })).rejects.toMatchObject({
      code: 'INMESH_RESET',
    });
  });

  it('ends when its caller gives up, be it while the store thinks', async () => {
    const store = { get: () => new Promise<undefined>(() => {}), createWriteStream: () => undefined, delete() {} };
    const { address } = await bench.server((_request, response) => void response.end());
    const mesh = await bench.mesh([address], {}, { cacheStore: store });
    await expect(mesh.request(url, { mesh: { cache: true, timeoutMs: 30 } })).rejects.toMatchObject({
      code: 'INMESH_TIMEOUT',
    });
  });

  it('streams a large answer, and keeps its back-pressure', async () => {
    const large = Buffer.alloc(3_000_000, 'x');
    const { address } = await bench.server((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end(large);
    });
    const mesh = await bench.mesh([address]);
    for (let round = 0; round < 2; round++) {
      const { body } = await mesh.request(url, cached);
      expect((await body.arrayBuffer()).byteLength).toBe(large.length);
    }
  });

  it('asks anew in the background one at a time, and not for ever', async () => {
    const open = new Set<ServerResponse>();
    let requests = 0;
    const { address } = await bench.server((_request, response) => {
      open.add(response);
      response.on('close', () => open.delete(response));
      const control = 'max-age=0, stale-while-revalidate=600';
      if (++requests === 1) response.writeHead(200, { 'cache-control': control, etag: '"1"' }).end('kept');
    });
    const mesh = await bench.mesh([address], { headTimeout: '300ms' });
    const texts = [];
    for (let call = 0; call < 5; call++) texts.push(await (await mesh.request(url, cached)).body.text());
    expect(texts).toEqual(new Array(5).fill('kept'));
    await expect.poll(() => requests).toBe(2);
    await expect.poll(() => open.size).toBe(0);
    expect(mesh.status().services[0]?.endpoints[0]?.inFlight).toBe(0);
    await (await mesh.request(url, cached)).body.text();
    await expect.poll(() => requests).toBe(3);
  });

  it('is not given what another version of the service has answered', async () => {
    const versions = await Promise.all(
      ['v1', 'v2'].map((version) =>
        bench.server((_request, response) => {
          response.writeHead(200, { 'cache-control': 'max-age=60' }).end(version);
        }),
      ),
    );
    const labels = ['v1', 'v2'].map((version) => ({ name: version, labels: { version } }));
    const endpoints = versions.map(({ address }, index) => ({ address, labels: labels[index]!.labels }));
    const mesh = await bench.meshOf({ services: [{ host: 'reviews', endpoints, subsets: labels }] });
    for (const subset of ['v1', 'v2', 'v1', 'v2']) {
      const { body } = await mesh.request(url, { mesh: { cache: true, subset } });
      expect(await body.text()).toBe(subset);
    }
  });

  it.each<[string, Partial<CacheStore>]>([
    ['rejects', { get: () => Promise.reject(new Error('store')) }],
    [
      'throws',
      {
        get: () => {
          throw new Error('store');
        },
      },
    ],
    ['never answers', { get: () => new Promise(() => {}) }],
    ['has half an entry', { get: () => ({ statusCode: 200 }) as never }],
    ['takes nothing', { createWriteStream: () => new Writable({ highWaterMark: 1, write() {} }) }],
    [
      'cannot write',
      {
        createWriteStream: () => {
          throw new Error('store');
        },
      },
    ],
  ])('is sent when the store %s', async (_, broken) => {
    const cacheStore = { get: () => undefined, createWriteStream: () => undefined, delete() {}, ...broken };
    const { address } = await bench.server((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end('sent');
    });
    const mesh = await bench.mesh([address], {}, { cacheStore });
    expect(await (await mesh.request(url, cached)).body.text()).toBe('sent');
  });

  it('refuses a store that is none', async () => {
    await expect(bench.mesh(['127.0.0.1:1'], {}, { cacheStore: {} as never })).rejects.toMatchObject({
      code: 'INMESH_OPTION',
    });
  });
});
