import { PassThrough, Readable, Writable } from 'node:stream';
import {
  Dispatcher,
  getGlobalDispatcher,
  pipeline,
  request,
  setGlobalDispatcher,
  stream,
  FormData as UndiciFormData,
  fetch as undiciFetch,
} from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { isMeshError } from '../../src/core/errors.ts';
import { Bench, type Echo, echo } from './bench.ts';
import { RecordingHandler } from './recording-handler.ts';

const bench = new Bench();
afterEach(() => bench.close());

const origin = 'http://reviews';
const get = { origin, path: '/', method: 'GET' } as const;

async function meshTo(listener: Parameters<Bench['server']>[0]) {
  const { address } = await bench.server(listener);
  return bench.mesh([address]);
}

describe('mesh.dispatcher', () => {
  it('is a Dispatcher', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    expect(mesh.dispatcher).toBeInstanceOf(Dispatcher);
    expect(mesh.dispatcher).toBe(mesh.dispatcher);
  });

  it('starts the handler once, within dispatch, and hands on one reply', async () => {
    const mesh = await meshTo((_request, response) => response.end('x'));
    const handler = new RecordingHandler();
    expect(mesh.dispatcher.dispatch(get, handler)).toBe(true);
    expect(handler.told).toEqual(['start']);
    await handler.done;
    expect(handler.told).toEqual(['start', 'head 200', 'data x', 'end']);
  });

  it('starts the handler once although attempts are repeated', async () => {
    let requests = 0;
    const mesh = await meshTo((_request, response) => {
      response.statusCode = ++requests < 3 ? 503 : 200;
      response.end();
    });
    const handler = new RecordingHandler();
    mesh.dispatcher.dispatch(get, handler);
    await handler.done;
    expect(handler.told).toEqual(['start', 'head 200', 'end']);
    expect(requests).toBe(3);
  });

  it('gives the handler raw headers, parsed ones, and trailers', async () => {
    const mesh = await meshTo((_request, response) => {
      response.writeHead(
        200,
        [
          ['Set-Cookie', 'a'],
          ['Set-Cookie', 'b'],
          ['Trailer', 'Digest'],
        ].flat(),
      );
      response.addTrailers({ Digest: 'x' });
      response.end('body');
    });
    const { headers, trailers, body } = await request(`${origin}/`, { dispatcher: mesh.dispatcher });
    expect(headers['set-cookie']).toEqual(['a', 'b']);
    await body.text();
    expect(trailers).toEqual({ digest: 'x' });
  });

  it('tells wrong requests to the handler, within dispatch, without a start', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    for (const [options, code] of [
      [{ ...get, origin: 'ftp://reviews' }, 'INMESH_REQUEST'],
      [{ ...get, origin: 'http://details' }, 'INMESH_UNKNOWN_HOST'],
      [{ ...get, origin: undefined }, 'INMESH_REQUEST'],
      [{ ...get, body: 5 }, 'INMESH_REQUEST'],
      [{ ...get, mesh: { retries: -1 } }, 'INMESH_OPTION'],
    ] as unknown as [Dispatcher.DispatchOptions, 'INMESH_REQUEST'][]) {
      const handler = new RecordingHandler();
      expect(mesh.dispatcher.dispatch(options, handler)).toBe(false);
      expect(isMeshError(handler.error, code), code).toBe(true);
      expect(handler.told[0]).toMatch(/^error/);
    }
  });

  it('refuses calls once the mesh is closed', async () => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    await mesh.close();
    const handler = new RecordingHandler();
    mesh.dispatcher.dispatch(get, handler);
    expect(isMeshError(handler.error, 'INMESH_CLOSED')).toBe(true);
  });

  it('close and destroy of the dispatcher leave the mesh open', async () => {
    const mesh = await meshTo((_request, response) => response.end('x'));
    await mesh.dispatcher.close();
    await mesh.dispatcher.destroy();
    await new Promise<void>((resolve) => mesh.dispatcher.close(resolve));
    expect((await mesh.request(`${origin}/`)).statusCode).toBe(200);
  });

  it('takes the limits of undici for those of the mesh', async () => {
    const mesh = await meshTo(() => {});
    const head = request(`${origin}/`, { dispatcher: mesh.dispatcher, headersTimeout: 20 });
    await expect(head).rejects.toSatisfy((error) => isMeshError(error, 'INMESH_HEAD_TIMEOUT'));
    const quiet = await meshTo((_request, response) => {
      response.write('x');
    });
    const { body } = await request(`${origin}/`, { dispatcher: quiet.dispatcher, bodyTimeout: 20 });
    await expect(body.text()).rejects.toSatisfy((error) => isMeshError(error, 'INMESH_BODY_IDLE'));
  });

  it('takes overrides of a call, and of a view', async () => {
    const mesh = await meshTo(() => {});
    const options = { dispatcher: mesh.dispatcher, mesh: { timeoutMs: 20 } };
    await expect(request(`${origin}/`, options as object)).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    const { dispatcher } = mesh.with({ timeoutMs: 20 });
    await expect(request(`${origin}/`, { dispatcher })).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
  });
});

describe('mesh.dispatcher where any host is allowed', () => {
  it('passes unknown hosts to the global dispatcher, for every client', async () => {
    const { address } = await bench.server(echo);
    const { dispatcher } = await bench.meshOf({ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } });
    const { body } = await request(`http://${address}/1`, { dispatcher });
    expect(((await body.json()) as Echo).url).toBe('/1');
    expect((await fetch(`http://${address}/`, { dispatcher } as object)).status).toBe(200);
    expect((await undiciFetch(`http://${address}/`, { dispatcher })).status).toBe(200);
  });

  it('does not go round when it is the global dispatcher itself, or below that of another mesh', async () => {
    const { address } = await bench.server(echo);
    const former = getGlobalDispatcher();
    bench.onClose(() => setGlobalDispatcher(former));
    const any = { outboundTrafficPolicy: { mode: 'ALLOW_ANY' } } as const;
    const [mesh, other] = [await bench.meshOf(any), await bench.meshOf(any)];
    setGlobalDispatcher(mesh.dispatcher);
    for (const send of [fetch, undiciFetch]) expect((await send(`http://${address}/`)).status).toBe(200);
    other.install();
    for (const send of [fetch, undiciFetch]) expect((await send(`http://${address}/`)).status).toBe(200);
  });
});

it('the stream of a request that is refused is destroyed', async () => {
  const mesh = await bench.mesh(['127.0.0.1:1']);
  const handler = new RecordingHandler();
  const body = Readable.from(['a']);
  mesh.dispatcher.dispatch({ ...get, method: 'POST', origin: 'http://unknown', body }, handler);
  expect([handler.told.length, body.destroyed]).toEqual([1, true]);
});

describe('a handler of the former protocol of undici', () => {
  /** As built-in fetch of Node 22 and 24 passes it. */
  class FormerHandler {
    readonly told: unknown[] = [];
    abort!: (reason?: Error) => void;
    readonly done: Promise<void>;
    private finish!: () => void;
    private resume: (() => void) | undefined;

    constructor() {
      this.done = new Promise((resolve) => {
        this.finish = resolve;
      });
    }

    onConnect(abort: (reason?: Error) => void): void {
      this.abort = abort;
      this.told.push('connect');
    }

    onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
      this.told.push(status, String(rawHeaders[rawHeaders.findIndex((part) => String(part) === 'x-a') + 1]));
      this.resume = resume;
      setImmediate(() => {
        this.told.push('resumed');
        this.resume?.();
      });
      return false;
    }

    onData(chunk: Buffer): boolean {
      this.told.push(String(chunk));
      return true;
    }

    onComplete(): void {
      this.told.push('complete');
      this.finish();
    }

    onError(error: Error): void {
      this.told.push(error.message);
      this.finish();
    }
  }

  it('gets its events, and its pause is kept', async () => {
    const mesh = await meshTo((_request, response) => response.writeHead(200, { 'x-a': '1' }).end('x'));
    const handler = new FormerHandler();
    mesh.dispatcher.dispatch(get, handler as never);
    expect(handler.told).toEqual(['connect']);
    await handler.done;
    expect(handler.told).toEqual(['connect', 200, '1', 'resumed', 'x', 'complete']);
  });

  it('gets its own reason when it aborts, and errors within dispatch', async () => {
    const mesh = await meshTo(() => {});
    const handler = new FormerHandler();
    mesh.dispatcher.dispatch(get, handler as never);
    handler.abort(new Error('enough'));
    await handler.done;
    expect(handler.told).toEqual(['connect', 'enough']);
    const refused = new FormerHandler();
    mesh.dispatcher.dispatch({ ...get, origin: 'http://details' }, refused as never);
    expect(refused.told).toEqual([expect.stringContaining('details is not a service')]);
  });

  it('that has joined two lengths is sent with one', async () => {
    const mesh = await meshTo(echo);
    const { body } = await request(`${origin}/`, {
      dispatcher: mesh.dispatcher,
      method: 'POST',
      body: 'abc',
      headers: ['x-a', 'content-length', 'content-length', '3, 3'],
    });
    const { headers } = (await body.json()) as Echo;
    expect([headers['content-length'], headers['x-a']]).toEqual(['3', 'content-length']);
  });

  it('that has joined lengths that differ is refused', async () => {
    const mesh = await meshTo(echo);
    const options = { dispatcher: mesh.dispatcher, method: 'POST', body: 'abc', headers: { 'content-length': '3, 4' } };
    await expect(request(`${origin}/`, options as object)).rejects.toMatchObject({ code: 'INMESH_REQUEST' });
  });
});

describe('clients over mesh.dispatcher', () => {
  it('undici.request sends query, headers and body', async () => {
    const mesh = await meshTo(echo);
    const { body } = await request(`${origin}/a`, {
      dispatcher: mesh.dispatcher,
      method: 'POST',
      query: { q: 'x y' },
      headers: { 'X-A': '1' },
      body: 'text',
    });
    const seen = (await body.json()) as Echo;
    expect([seen.method, seen.url, seen.headers['x-a'], seen.headers.host, seen.body]).toEqual([
      'POST',
      '/a?q=x+y',
      '1',
      'reviews',
      'text',
    ]);
  });

  it('undici.stream and undici.pipeline pass a body through', async () => {
    const mesh = await meshTo(echo);
    const chunks: string[] = [];
    await stream(`${origin}/`, { dispatcher: mesh.dispatcher, method: 'GET' }, () => {
      return new Writable({ write: (chunk, _encoding, done) => done(void chunks.push(String(chunk))) });
    });
    expect(JSON.parse(chunks.join('')).method).toBe('GET');
    const duplex = pipeline(`${origin}/`, { dispatcher: mesh.dispatcher, method: 'POST' }, ({ body }) =>
      body.pipe(new PassThrough()),
    );
    duplex.end('piped');
    let text = '';
    for await (const chunk of duplex) text += chunk;
    expect(JSON.parse(text).body).toBe('piped');
  });

  it.each([
    [
      'built-in fetch',
      (url: string, dispatcher: Dispatcher, init: object) => fetch(url, { dispatcher, ...init } as object),
    ],
    [
      'undici.fetch',
      (url: string, dispatcher: Dispatcher, init: object) => undiciFetch(url, { dispatcher, ...init } as object),
    ],
  ])('%s sends, follows redirects and gives our error as cause', async (_name, send) => {
    const mesh = await meshTo((request, response) => {
      if (request.url !== '/moved') return echo(request, response);
      return response.writeHead(302, { location: '/there' }).end();
    });
    const response = await send(`${origin}/moved`, mesh.dispatcher, {});
    expect([(await (response.json() as Promise<Echo>)).url, response.redirected]).toEqual(['/there', true]);
    const posted = await send(`${origin}/`, mesh.dispatcher, { method: 'POST', body: 'text' });
    expect(((await posted.json()) as Echo).body).toBe('text');
    await expect(send('http://unknown/', mesh.dispatcher, {})).rejects.toMatchObject({
      name: 'TypeError',
      message: 'fetch failed',
      cause: { code: 'INMESH_UNKNOWN_HOST' },
    });
  });

  it('forms of undici and of the platform are sent as forms', async () => {
    const mesh = await meshTo(echo);
    for (const Form of [FormData, UndiciFormData]) {
      const form = new Form();
      form.append('a', '1');
      const { body } = await request(`${origin}/`, {
        dispatcher: mesh.dispatcher,
        method: 'POST',
        body: form as UndiciFormData,
      });
      const seen = (await body.json()) as Echo;
      const read = await new Response(seen.body, {
        headers: { 'content-type': seen.headers['content-type'] as string },
      }).formData();
      expect([...read]).toEqual([['a', '1']]);
    }
  });

  it('composes with interceptors', async () => {
    const mesh = await meshTo(echo);
    let dispatched = 0;
    const dispatcher = mesh.dispatcher.compose((dispatch) => (options, handler) => {
      dispatched++;
      return dispatch(options, handler);
    });
    const { body } = await request(`${origin}/`, { dispatcher });
    await body.dump();
    expect(dispatched).toBe(1);
  });
});
