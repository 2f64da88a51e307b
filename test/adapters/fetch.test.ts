import type { ServerResponse } from 'node:http';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { isMeshError } from '../../src/core/errors.ts';
import { Bench, bodyOf, type Echo, echo } from './bench.ts';
import { rejection } from './rejection.ts';

const bench = new Bench();
afterEach(() => bench.close());

const url = 'http://reviews/1';

describe('mesh.fetch', () => {
  it('sends what fetch sends', async () => {
    const mesh = await bench.meshTo(echo);
    const { method, headers } = (await (await mesh.fetch(url)).json()) as Echo;
    expect(method).toBe('GET');
    expect(headers).toMatchObject({
      host: 'reviews',
      accept: '*/*',
      'user-agent': 'inmesh',
      'accept-encoding': 'gzip, deflate, br, zstd',
    });
    expect(headers['content-length']).toBeUndefined();
  });

  it.each<[string, () => RequestInit['body'], string]>([
    ['a string', () => 'aä', 'aä'],
    ['bytes', () => Buffer.from('abc'), 'abc'],
    ['a Blob', () => new Blob(['abc']), 'abc'],
    ['URLSearchParams', () => new URLSearchParams({ a: 'b c' }), 'a=b+c'],
    ['a stream', () => new Blob(['abc']).stream() as never, 'abc'],
    ['an empty string', () => '', ''],
  ])('sends %s as body, and its length when that is known', async (name, make, text) => {
    const mesh = await bench.meshTo(echo);
    const init = { method: 'POST', body: make(), duplex: 'half' } as RequestInit;
    const seen = (await (await mesh.fetch(url, init)).json()) as Echo;
    expect(seen.body).toBe(text);
    const length = seen.headers['content-length'];
    expect(length ?? seen.headers['transfer-encoding']).toBe(
      name === 'a stream' ? 'chunked' : String(Buffer.byteLength(text)),
    );
  });

  it('sends forms that servers read', async () => {
    const mesh = await bench.meshTo(echo);
    const form = new FormData();
    form.append('a', '1');
    const seen = (await (await mesh.fetch(url, { method: 'POST', body: form })).json()) as Echo;
    const headers = { 'content-type': seen.headers['content-type'] as string };
    expect([...(await new Response(seen.body, { headers }).formData())]).toEqual([['a', '1']]);
  });

  it('sends a Request', async () => {
    const mesh = await bench.meshTo(echo);
    const request = new Request(url, { method: 'PUT', body: 'x', headers: { a: '1' } });
    const seen = (await (await mesh.fetch(request)).json()) as Echo;
    expect([seen.method, seen.body, seen.headers.a]).toEqual(['PUT', 'x', '1']);
    expect(request.bodyUsed).toBe(true);
  });

  it('decodes a compressed body, and keeps its header', async () => {
    const mesh = await bench.meshTo((_request, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync('plain'));
    });
    const response = await mesh.fetch(url);
    expect([response.headers.get('content-encoding'), await response.text()]).toEqual(['gzip', 'plain']);
  });

  it.each([204, 205, 304])('gives no body with %i', async (status) => {
    const mesh = await bench.meshTo((_request, response) => response.writeHead(status).end());
    const response = await mesh.fetch(url);
    expect([response.status, response.body, await response.text()]).toEqual([status, null, '']);
  });

  it('gives no body with HEAD, and keeps its headers', async () => {
    const mesh = await bench.meshTo((_request, response) =>
      response.writeHead(200, { 'content-length': '5', 'content-encoding': 'gzip' }).end(),
    );
    const response = await mesh.fetch(url, { method: 'HEAD' });
    expect([response.headers.get('content-length'), response.body]).toEqual(['5', null]);
  });

  it('passes other schemes to fetch', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    expect(await (await mesh.fetch('data:text/plain,x')).text()).toBe('x');
  });

  it('passes unknown hosts to fetch where the document allows it, without our headers', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.meshOf({ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } });
    const response = await mesh.fetch(`http://${address}/x`, { method: 'POST', body: 'x', mesh: { timeoutMs: 5_000 } });
    const seen = (await response.json()) as Echo;
    expect([seen.url, seen.body, seen.headers['x-envoy-expected-rq-timeout-ms']]).toEqual(['/x', 'x', undefined]);
  });
});

describe('mesh.fetch fails as fetch does', () => {
  it.each<[string, string, RequestInit, string]>([
    ['an unknown host', 'http://details/', {}, 'INMESH_UNKNOWN_HOST'],
    ['no connection', url, {}, 'INMESH_CONNECT'],
    ['a text that is no URL', '/relative', {}, 'INMESH_REQUEST'],
    ['credentials in the URL', 'http://a:b@reviews/', {}, 'INMESH_REQUEST'],
    ['an option that is none', url, { mesh: { timeout: 5 } } as RequestInit, 'INMESH_OPTION'],
    ['https to a service in cleartext', 'https://reviews/', {}, 'INMESH_TLS'],
    ['an Expect header', url, { headers: { expect: '100-continue' } }, 'INMESH_REQUEST'],
  ])('with a TypeError for %s', async (_name, target, init, code) => {
    const mesh = await bench.mesh(['127.0.0.1:1'], { retries: { max: 0 } });
    const error = await rejection(mesh.fetch(target, init));
    expect(error).toMatchObject({ name: 'TypeError', message: 'fetch failed', cause: { name: 'MeshError', code } });
    expect(isMeshError(error)).toBe(true);
  });

  it('with a TypeError of its own for a wrong init', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    const error = await rejection(mesh.fetch(url, { body: 'x' }));
    expect(error).toMatchObject({ name: 'TypeError', message: /GET\/HEAD/ });
  });
});

describe('redirects of mesh.fetch', () => {
  it('are followed to another service, without credentials and with a method that fits', async () => {
    const details = await bench.server(echo);
    const reviews = await bench.server(async (request, response) => {
      await bodyOf(request);
      response.writeHead(303, { location: 'http://details/there' }).end('moved');
    });
    const mesh = await bench.meshOf({
      services: [
        { host: 'reviews', endpoints: [{ address: reviews.address }] },
        { host: 'details', endpoints: [{ address: details.address }] },
      ],
    });
    const response = await mesh.fetch(url, { method: 'POST', body: 'x', headers: { authorization: 'a' } });
    const seen = (await response.json()) as Echo;
    expect([seen.method, seen.url, seen.headers.authorization, seen.headers.host]).toEqual([
      'GET',
      '/there',
      undefined,
      'details',
    ]);
    expect([response.redirected, response.url]).toEqual([true, 'http://details/there']);
  });

  it('to a host that passes do not take credentials and body along', async () => {
    const outside = await bench.server(echo);
    const reviews = await bench.server((_request, response) => {
      response.writeHead(302, { location: `http://${outside.address}/there` }).end();
    });
    const mesh = await bench.meshOf({
      outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
      services: [{ host: 'reviews', endpoints: [{ address: reviews.address }] }],
    });
    const headers = { authorization: 'secret', 'x-a': '1' };
    const seen = (await (await mesh.fetch(url, { method: 'POST', body: 'x', headers })).json()) as Echo;
    expect([seen.method, seen.body, seen.headers.authorization, seen.headers['x-a']]).toEqual([
      'GET',
      '',
      undefined,
      '1',
    ]);
  });

  it('to an unknown host are a TypeError', async () => {
    const mesh = await bench.meshTo((_request, response) =>
      response.writeHead(302, { location: 'http://nobody/' }).end(),
    );
    expect(await rejection(mesh.fetch(url))).toMatchObject({
      name: 'TypeError',
      cause: { code: 'INMESH_UNKNOWN_HOST' },
    });
    const secure = await bench.meshTo((_request, response) =>
      response.writeHead(302, { location: 'https://reviews/' }).end(),
    );
    expect(await rejection(secure.fetch(url))).toMatchObject({ name: 'TypeError', cause: { code: 'INMESH_TLS' } });
  });

  it('do not wait for a body that does not end', async () => {
    const waiting: ServerResponse[] = [];
    const mesh = await bench.meshTo((request, response) => {
      if (request.url === '/there') response.end('there');
      else {
        response.writeHead(302, { location: '/there' }).write('x');
        waiting.push(response);
      }
    });
    expect(await (await mesh.fetch(url)).text()).toBe('there');
    for (const response of waiting) response.end();
  });

  it('stop when the signal is aborted between two', async () => {
    const controller = new AbortController();
    const mesh = await bench.meshTo((request, response) => {
      if (request.url === '/there') controller.abort(new Error('enough'));
      else response.writeHead(302, { location: '/there' }).end();
    });
    expect(await rejection(mesh.fetch(url, { signal: controller.signal }))).toMatchObject({ message: 'enough' });
  });

  it('are an answer when the caller follows himself', async () => {
    const mesh = await bench.meshTo((_request, response) =>
      response.writeHead(302, { location: '/there' }).end('moved'),
    );
    const response = await mesh.fetch(url, { redirect: 'manual' });
    expect([response.status, response.headers.get('location'), await response.text()]).toEqual([
      302,
      '/there',
      'moved',
    ]);
  });

  it('without end are refused', async () => {
    let requests = 0;
    const mesh = await bench.meshTo((_request, response) => {
      requests++;
      response.writeHead(302, { location: '/again' }).end();
    });
    expect(await rejection(mesh.fetch(url))).toMatchObject({ cause: { code: 'INMESH_REDIRECT' } });
    expect(requests).toBe(21);
  });

  it('have together the time of one call', async () => {
    const remaining: number[] = [];
    const mesh = await bench.meshTo((request, response) => {
      remaining.push(Number(request.headers['x-envoy-expected-rq-timeout-ms']));
      const answer = () => response.writeHead(302, { location: `/${remaining.length}` }).end();
      setTimeout(answer, 20);
    });
    const error = await rejection(mesh.fetch(url, { mesh: { timeoutMs: 150 } }));
    expect(isMeshError(error, 'INMESH_TIMEOUT')).toBe(true);
    expect(remaining.length).toBeGreaterThan(1);
    expect(remaining).toEqual([...remaining].sort((a, b) => b - a));
  });
});

it('mesh.fetch takes null for no init, and decodes a coding that is told in several lines', async () => {
  const { address } = await bench.server((_request, response) => {
    response.writeHead(200, ['content-encoding', 'deflate', 'content-encoding', 'gzip']);
    response.end(gzipSync(deflateSync('twice')));
  });
  const mesh = await bench.mesh([address]);
  expect(await (await mesh.fetch('http://reviews/', null as never)).text()).toBe('twice');
  expect(await (await mesh.fetch('http://reviews/', { mesh: null })).text()).toBe('twice');
});

it('mesh.fetch cancels the stream of a request that is refused', async () => {
  const mesh = await bench.mesh(['127.0.0.1:1']);
  let cancelled = false;
  const body = new ReadableStream({
    cancel() {
      cancelled = true;
    },
  });
  const init = { method: 'POST', body, duplex: 'half' } as const;
  await expect(mesh.fetch('http://unknown/', init)).rejects.toThrow('fetch failed');
  expect(cancelled).toBe(true);
});
