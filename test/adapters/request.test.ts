import { once } from 'node:events';
import { Readable } from 'node:stream';
import { request as undiciRequest } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, type Echo, echo } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const url = 'http://reviews/1';

describe('mesh.request', () => {
  it('answers in the shape of undici.request', async () => {
    const { address } = await bench.server((_request, response) => {
      response.writeHead(
        404,
        'Gone Fishing',
        [
          ['A', '1'],
          ['Set-Cookie', 'x'],
          ['Set-Cookie', 'y'],
          ['Trailer', 'z'],
        ].flat(),
      );
      response.addTrailers({ Z: '26' });
      response.end('{"b":2}');
    });
    const mesh = await bench.mesh([address]);
    const opaque = {};
    const ours = await mesh.request(url, { opaque });
    const theirs = await undiciRequest(`http://${address}/1`, { opaque });
    expect([ours.statusCode, ours.statusText]).toEqual([theirs.statusCode, theirs.statusText]);
    expect({ ...ours.headers, date: 0 }).toEqual({ ...theirs.headers, date: 0 });
    expect(ours.opaque).toBe(opaque);
    expect([await ours.body.json(), await theirs.body.json()]).toEqual([{ b: 2 }, { b: 2 }]);
    expect({ ...ours.trailers }).toEqual({ ...theirs.trailers });
    expect(Object.keys(ours.context)).toEqual([]);
  });

  it.each<
    [string, () => NonNullable<Parameters<Awaited<ReturnType<typeof bench.mesh>>['request']>[1]>['body'], string]
  >([
    ['a string', () => 'aä', 'aä'],
    ['bytes', () => Buffer.from('abc'), 'abc'],
    ['an ArrayBuffer', () => new Uint8Array([97]).buffer, 'a'],
    ['a Blob', () => new Blob(['abc'], { type: 'text/css' }), 'abc'],
    ['a Readable', () => Readable.from([Buffer.from('a'), Buffer.from('b')]), 'ab'],
    ['a web stream', () => new Blob(['abc']).stream() as never, 'abc'],
    ['an iterable', () => [Buffer.from('a'), Buffer.from('b')], 'ab'],
    ['a function', () => () => Readable.from([Buffer.from('made')]), 'made'],
    ['an empty string', () => '', ''],
  ])('sends %s', async (name, make, text) => {
    const mesh = await bench.meshTo(echo);
    const { body } = await mesh.request(url, { method: 'POST', body: make() });
    const seen = (await body.json()) as Echo;
    expect(seen.body).toBe(text);
    expect(seen.headers['content-type']).toBe(name === 'a Blob' ? 'text/css' : undefined);
  });

  it('sends forms, also over HTTP/1.1 to servers that want a length', async () => {
    const mesh = await bench.meshTo(echo);
    const form = new FormData();
    form.append('a', '1');
    const { body } = await mesh.request(url, { method: 'POST', body: form });
    const { headers, body: sent } = (await body.json()) as Echo;
    expect(headers['content-length']).toBe(String(Buffer.byteLength(sent)));
    const type = { 'content-type': headers['content-type'] as string };
    expect([...(await new Response(sent, { headers: type }).formData())]).toEqual([['a', '1']]);
  });

  it.each([
    ['an object', { A: '1' }],
    ['a flat array', ['A', '1']],
    ['Headers', new Headers({ A: '1' }) as never],
  ])('takes headers as %s', async (_name, headers) => {
    const mesh = await bench.meshTo(echo);
    const { body } = await mesh.request(url, { headers });
    expect(((await body.json()) as Echo).headers.a).toBe('1');
  });

  it('appends a query', async () => {
    const mesh = await bench.meshTo(echo);
    const { body } = await mesh.request(url, { query: { a: ['x', 'y'] } });
    expect(((await body.json()) as Echo).url).toBe('/1?a=x&a=y');
  });

  it.each<[string, string, object, string]>([
    ['an unknown host', 'http://details/', {}, 'INMESH_UNKNOWN_HOST'],
    ['another scheme', 'ftp://reviews/', {}, 'INMESH_REQUEST'],
    ['a URL that is none', 'reviews', {}, 'INMESH_REQUEST'],
    ['a body that is none', url, { body: 5 }, 'INMESH_REQUEST'],
    ['headers that are none', url, { headers: ['a'] }, 'INMESH_REQUEST'],
    ['a header value that is none', url, { headers: { a: 'x\r\ny: z' } }, 'INMESH_REQUEST'],
    ['a method that is none', url, { method: 'A B' }, 'INMESH_REQUEST'],
    ['a path that would split the request', 'http://reviews', { query: undefined, method: 'GET /x' }, 'INMESH_REQUEST'],
    ['an unknown option', url, { mesh: { retry: 1 } }, 'INMESH_OPTION'],
    ['no connection', url, {}, 'INMESH_CONNECT'],
  ])('rejects with a MeshError for %s', async (_name, target, options, code) => {
    const mesh = await bench.mesh(['127.0.0.1:1'], { retries: { max: 0 } });
    await expect(mesh.request(target, options)).rejects.toMatchObject({ name: 'MeshError', code });
  });

  it('rejects with the reason of its signal before the head, and fails the body with it after', async () => {
    const controller = new AbortController();
    const sockets: Promise<unknown>[] = [];
    const mesh = await bench.meshTo((request, response) => {
      sockets.push(once(request.socket, 'close'));
      if (request.url === '/body') response.write('x');
      else controller.abort('enough');
    });
    await expect(mesh.request(url, { signal: controller.signal })).rejects.toBe('enough');
    const second = new AbortController();
    const { body } = await mesh.request('http://reviews/body', { signal: second.signal });
    const text = body.text();
    second.abort('enough');
    await expect(text).rejects.toBe('enough');
    await Promise.all(sockets);
  });

  it('calls hosts that pass as if there were no mesh, with forms and functions as bodies', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.meshOf({ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } });
    const form = new FormData();
    form.append('a', '1');
    for (const body of [() => 'x', form]) {
      const { statusCode, body: answer } = await mesh.request(`http://${address}/`, { method: 'POST', body });
      expect(statusCode).toBe(200);
      expect(((await answer.json()) as Echo).body).not.toBe('');
    }
  });
});

describe('the body of mesh.request', () => {
  const text = 'aä';
  const open = async () => {
    const mesh = await bench.meshTo((_request, response) => {
      response.setHeader('content-type', 'text/css');
      response.end(text);
    });
    return (await mesh.request(url)).body;
  };

  it('can be read in every form', async () => {
    expect(await (await open()).text()).toBe(text);
    expect(String(await (await open()).bytes())).toBe(text);
    expect(Buffer.from(await (await open()).arrayBuffer()).toString()).toBe(text);
    const blob = await (await open()).blob();
    expect([blob.type, await blob.text()]).toEqual(['text/css', text]);
    expect(await new Response((await open()).body as never).text()).toBe(text);
    let read = '';
    for await (const chunk of await open()) read += Buffer.from(chunk);
    for await (const chunk of (await open()).readable()) read += chunk;
    expect(read).toBe(text + text);
  });

  it('is read once, and can be dumped before and after', async () => {
    const body = await open();
    expect(body.bodyUsed).toBe(false);
    await body.text();
    expect(body.bodyUsed).toBe(true);
    await expect(body.text()).rejects.toMatchObject({ code: 'INMESH_BODY_USED' });
    await body.dump();
    await (await open()).dump({ limit: 1 });
  });

  it('that is destroyed closes the connection', async () => {
    let closed: Promise<unknown> | undefined;
    const mesh = await bench.meshTo((request, response) => {
      closed = once(request.socket, 'close');
      response.write('x');
    });
    const { body } = await mesh.request(url);
    body.destroy();
    await closed;
    await expect(body.text()).rejects.toMatchObject({ code: 'INMESH_ABORTED' });
  });
});

describe('the options of mesh.request', () => {
  it('are refused when they are not known', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    await expect(mesh.request(url, { timeoutMs: 5 } as object)).rejects.toMatchObject({
      code: 'INMESH_OPTION',
      message: expect.stringContaining('timeoutMs'),
    });
  });

  it('may be null where undici takes null', async () => {
    const mesh = await bench.meshTo(echo);
    expect((await mesh.request(url, null as never)).statusCode).toBe(200);
    const nothing = { headers: null, body: null, query: null, signal: null, mesh: null };
    expect((await mesh.request(url, nothing)).statusCode).toBe(200);
  });

  it('have the limits of undici', async () => {
    const mesh = await bench.meshTo(() => {});
    await expect(mesh.request(url, { headersTimeout: 20 })).rejects.toMatchObject({ code: 'INMESH_HEAD_TIMEOUT' });
    const quiet = await bench.meshTo((_request, response) => void response.write('x'));
    const { body } = await quiet.request(url, { bodyTimeout: 20 });
    await expect(body.text()).rejects.toMatchObject({ code: 'INMESH_BODY_IDLE' });
  });

  it('name a stream that is destroyed when the request is refused', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    const body = Readable.from(['a']);
    await expect(mesh.request('http://unknown/', { method: 'POST', body })).rejects.toThrow('unknown');
    expect(body.destroyed).toBe(true);
  });
});

describe('mesh.request where any host is allowed', () => {
  const any = { outboundTrafficPolicy: { mode: 'ALLOW_ANY' } } as const;

  it('answers in its own shape', async () => {
    const { address } = await bench.server((_request, response) => {
      response.writeHead(200, 'Fine', { trailer: 'z' });
      response.write(Buffer.alloc(200_000, 97));
      response.addTrailers({ z: '26' });
      response.end();
    });
    const mesh = await bench.meshOf(any);
    const opaque = {};
    const query = { q: '1' };
    const result = await mesh.request(`http://${address}/`, { opaque, query, headers: ['a', '1'] });
    expect([result.statusText, result.opaque]).toEqual(['Fine', opaque]);
    let bytes = 0;
    for await (const chunk of result.body.readable()) bytes += (chunk as Buffer).length;
    expect([bytes, result.trailers.z]).toEqual([200_000, '26']);
    expect((await (await mesh.request(`http://${address}/`)).body.bytes()).length).toBe(200_000);
  });

  it('keeps timeoutMs until the head and in the body', async () => {
    const { address } = await bench.server(({ url: path }, response) => {
      if (path === '/body') response.write('x');
    });
    const mesh = await bench.meshOf(any);
    const options = { mesh: { timeoutMs: 30 } };
    await expect(mesh.request(`http://${address}/`, options)).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    const { body } = await mesh.request(`http://${address}/body`, options);
    await expect(body.text()).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    await expect(mesh.fetch(`http://${address}/`, options)).rejects.toMatchObject({
      name: 'TypeError',
      cause: { code: 'INMESH_TIMEOUT' },
    });
    await expect(mesh.with({ timeoutMs: 30 }).request(`http://${address}/`)).rejects.toMatchObject({
      code: 'INMESH_TIMEOUT',
    });
  });
});
