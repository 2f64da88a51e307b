import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/index.ts';
import { Bench } from '../adapters/bench.ts';
import { secureFolder } from '../adapters/secure-folder.ts';
import { guardTests } from './guard-tests.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const url = 'http://reviews/';
const upgrade = { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } } as const;

/** A request that a server has in hand. */
interface Seen {
  readonly stream: ServerHttp2Stream;
  readonly session: ServerHttp2Session;
  readonly headers: IncomingHttpHeaders;
  /** The number of this request at the server, from 1. */
  readonly number: number;
  /** The whole body, once it is there. */
  readonly body: Promise<string>;
}

/** What came in: how often each id was processed, that is, taken by the application. */
interface Farm {
  readonly mesh: Mesh;
  readonly processed: Map<string, number>;
  sessions: number;
}

type Serve = (seen: Seen, processed: () => Promise<void>) => unknown;

async function bodyOf(stream: ServerHttp2Stream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

/** Over TLS by ALPN, and in cleartext with prior knowledge. */
const transports: Record<string, (serve: Serve) => Promise<Farm>> = {
  TLS: async (serve) => {
    const { server, tls } = await secureFolder(bench, 'reviews');
    return farm(createSecureServer(server) as unknown as Http2Server, serve, { ...upgrade, tls });
  },
  h2c: (serve) => farm(createServer(), serve, upgrade),
};

async function farm(server: Http2Server, serve: Serve, policy: Parameters<Bench['mesh']>[1]): Promise<Farm> {
  const sessions = new Set<ServerHttp2Session>();
  const processed = new Map<string, number>();
  const made = { sessions: 0 };
  let number = 0;
  server.on('session', (session) => {
    made.sessions++;
    sessions.add(session);
    session.on('error', () => {});
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const body = bodyOf(stream);
    body.catch(() => {});
    const count = async () => {
      const id = `${headers[':method']} ${headers['x-id'] ?? ''}`;
      await body;
      processed.set(id, (processed.get(id) ?? 0) + 1);
    };
    serve({ stream, session: stream.session as ServerHttp2Session, headers, number: ++number, body }, count);
  });
  bench.onClose(() => {
    for (const session of sessions) session.destroy();
  });
  const { address } = await bench.listen(server);
  const mesh = await bench.mesh([address], policy);
  return {
    mesh,
    processed,
    get sessions() {
      return made.sessions;
    },
  };
}

/** Takes the request and answers it. */
async function answer({ stream }: Seen, processed: () => Promise<void>): Promise<void> {
  await processed();
  if (stream.destroyed) return;
  stream.respond({ ':status': 200 });
  stream.end('ok');
}

const post = (id: string | number, body: unknown = 'x') =>
  ({ method: 'POST', body: body as string, headers: { 'x-id': String(id) } }) as const;

async function* streamed() {
  yield Buffer.from('a');
  yield Buffer.from('b');
}

describe.each(Object.entries(transports))('HTTP/2 over %s', (_name, open) => {
  it('is spoken, on one connection for many requests', async () => {
    const { mesh, ...rest } = await open(answer);
    const farmed = rest as unknown as Farm;
    const calls = Array.from({ length: 20 }, (_, id) => mesh.request(url, post(id)).then(({ body }) => body.text()));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']));
    expect([...farmed.processed.values()]).toEqual(Array(20).fill(1));
  });

  it.each<[string, () => unknown]>([
    ['a string', () => 'x'],
    ['nothing', () => null],
    ['bytes', () => Buffer.from('x')],
    ['a Blob', () => new Blob(['x'])],
    ['a function', () => () => streamed()],
  ])('a POST of %s whose stream is refused is sent again, and processed once', async (_body, make) => {
    const { mesh, processed } = await open((seen, count) => {
      if (seen.number === 1) seen.stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else void answer(seen, count);
    });
    const { body } = await mesh.request(url, post(1, make()));
    expect(await body.text()).toBe('ok');
    expect([...processed]).toEqual([['POST 1', 1]]);
  });

  it('a POST that is refused again and again is refused in the end', async () => {
    const { mesh, processed } = await open(({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    await expect(mesh.request(url, post(1))).rejects.toMatchObject({ code: 'INMESH_REFUSED_STREAM', attempts: 3 });
    expect(processed.size).toBe(0);
  });

  it.each<[string, () => unknown]>([
    ['a string', () => 'x'],
    ['nothing', () => null],
    ['a Blob', () => new Blob(['x'])],
    ['a function', () => () => streamed()],
  ])(
    'a POST of %s that a GOAWAY states unprocessed is sent again on a new connection, and processed once',
    async (_body, make) => {
      const farmed = await open((seen, count) => {
        // The last processed stream is the one before.
        if (seen.number === 2) seen.session.goaway(constants.NGHTTP2_NO_ERROR, (seen.stream.id as number) - 2);
        else void answer(seen, count);
      });
      for (const id of [1, 2]) {
        const { body } = await farmed.mesh.request(url, post(id, make()));
        expect(await body.text()).toBe('ok');
      }
      expect([...farmed.processed]).toEqual([
        ['POST 1', 1],
        ['POST 2', 1],
      ]);
      expect(farmed.sessions).toBe(2);
    },
  );

  it('the length of a POST is stated', async () => {
    const lengths: unknown[] = [];
    const { mesh } = await open((seen, count) => {
      lengths.push(seen.headers['content-length']);
      void answer(seen, count);
    });
    for (const body of ['aä', Buffer.from('abc'), new Blob(['abcd']), null]) {
      await (await mesh.request(url, post(1, body))).body.text();
    }
    expect(lengths.slice(0, 3)).toEqual(['3', '3', '4']);
    expect([undefined, '0']).toContain(lengths[3]);
  });

  it('a body is typed', async () => {
    const types: unknown[] = [];
    const { mesh } = await open((seen, count) => {
      types.push(seen.headers['content-type']);
      void answer(seen, count);
    });
    await (await mesh.request(url, post(1, new Blob(['x'], { type: 'text/css' })))).body.text();
    await (await mesh.request(url, post(2, new FormData()))).body.text();
    expect(types).toEqual(['text/css', expect.stringMatching(/^multipart\/form-data; boundary=/)]);
  });

  it.each<[string, (seen: Seen) => unknown]>([
    ['is reset with INTERNAL_ERROR', ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
    ['is reset with CANCEL', ({ stream }) => stream.close(constants.NGHTTP2_CANCEL)],
    ['loses its connection', ({ session }) => session.destroy()],
    ['loses its socket', ({ session }) => session.socket.destroy()],
    [
      'gets a GOAWAY that includes it, and loses its connection',
      ({ session, stream }) => {
        session.goaway(constants.NGHTTP2_INTERNAL_ERROR, stream.id);
        setImmediate(() => session.destroy());
      },
    ],
  ])('a POST that %s is processed once, and is an error', async (_fault, fault) => {
    for (const make of [() => 'x', () => null, () => new Blob(['x']), () => streamed()]) {
      const { mesh, processed } = await open(async (seen, count) => {
        await count();
        fault(seen);
      });
      const error = await mesh.request(url, post(1, make())).then(
        () => expect.unreachable('it was answered'),
        (caught) => caught,
      );
      expect(['INMESH_RESET', 'INMESH_PROTOCOL']).toContain(error.code);
      expect([...processed]).toEqual([['POST 1', 1]]);
      await bench.close();
    }
  });

  it.each<[string, (seen: Seen) => unknown]>([
    ['reset', ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
    ['refused', ({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM)],
    ['cut off', ({ session }) => session.destroy()],
  ])('a GET that is %s is sent again', async (_fault, fault) => {
    const { mesh } = await open((seen, count) => {
      if (seen.number === 1) fault(seen);
      else void answer(seen, count);
    });
    expect(await (await mesh.request(url)).body.text()).toBe('ok');
  });

  it('many POSTs at once survive a graceful GOAWAY, each processed once', async () => {
    const { mesh, processed } = await open((seen, count) => {
      void answer(seen, count);
      if (seen.number % 10 === 0) seen.session.close();
    });
    const calls = Array.from({ length: 60 }, (_, id) =>
      mesh.request(url, post(id)).then(
        ({ body }) => body.text(),
        (error) => error.code,
      ),
    );
    const results = await Promise.all(calls);
    for (const result of results) expect(['ok', 'INMESH_RESET', 'INMESH_REFUSED_STREAM']).toContain(result);
    expect(results.filter((result) => result === 'ok').length).toBeGreaterThan(0);
    expect(Math.max(...processed.values())).toBe(1);
  });

  it('a body that breaks before its stated length is an error', async () => {
    const { mesh } = await open(({ stream }) => {
      stream.respond({ ':status': 200, 'content-length': '10' });
      stream.write('half', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    });
    const { body } = await mesh.request(url);
    await expect(body.text()).rejects.toMatchObject({ code: 'INMESH_PROTOCOL' });
  });

  // undici 8.12 takes the end of a stream that was reset for the end of its body, and tells nobody of the reset.
  it.fails('a body without a length that is reset is an error', async () => {
    const { mesh } = await open(({ stream }) => {
      stream.respond({ ':status': 200 });
      stream.write('half', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    });
    const { body } = await mesh.request(url);
    await expect(body.text()).rejects.toMatchObject({ code: 'INMESH_RESET' });
  });

  it('a call that is cancelled resets its stream and leaves the connection to the others', async () => {
    const farmed = await open((seen, count) => {
      if (seen.headers['x-id'] !== 'slow') void answer(seen, count);
    });
    const { mesh } = farmed;
    const slow = mesh.request(url, { ...post('slow'), mesh: { timeoutMs: 60 } });
    const others = Array.from({ length: 5 }, (_, id) => mesh.request(url, post(id)).then(({ body }) => body.text()));
    expect(await Promise.all(others)).toEqual(Array(5).fill('ok'));
    await expect(slow).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    expect(await (await mesh.request(url, post('later'))).body.text()).toBe('ok');
    expect(farmed.sessions).toBe(1);
  });
});
