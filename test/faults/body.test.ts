import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { isMeshError } from '../../src/core/errors.ts';
import type { Mesh } from '../../src/index.ts';
import { Bench } from '../adapters/bench.ts';
import { guardTests } from './guard-tests.ts';
import { type WireRequest, wireServer } from './wire-server.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const url = 'http://reviews/';
const head = (rest: string) => `HTTP/1.1 200 OK\r\n${rest}\r\n\r\n`;

/** Every way to read a body. */
const readers: Record<string, (mesh: Mesh) => Promise<string>> = {
  'mesh.fetch': async (mesh) => (await mesh.fetch(url)).text(),
  'mesh.fetch().body': async (mesh) => new Response((await mesh.fetch(url)).body).text(),
  'mesh.request': async (mesh) => (await mesh.request(url)).body.text(),
  'mesh.request().readable()': async (mesh) => {
    let text = '';
    for await (const chunk of (await mesh.request(url)).body.readable()) text += chunk;
    return text;
  },
  'built-in fetch': async (mesh) => (await fetch(url, { dispatcher: mesh.dispatcher } as RequestInit)).text(),
};

/** What a server may do in the middle of a body, and the code of the mesh for it. */
const faults: Record<string, [(request: WireRequest) => void, string]> = {
  'resets the connection': [
    ({ socket }) => void socket.write(`${head('content-length: 10')}abc`, () => socket.resetAndDestroy()),
    'INMESH_RESET',
  ],
  'closes the connection before the stated length': [
    ({ socket }) => void socket.end(`${head('content-length: 10')}abc`),
    'INMESH_RESET',
  ],
  'closes the connection within a chunk': [
    ({ socket }) => void socket.end(`${head('transfer-encoding: chunked')}5\r\nabc`),
    'INMESH_RESET',
  ],
  'closes the connection before the last chunk': [
    ({ socket }) => void socket.end(`${head('transfer-encoding: chunked')}3\r\nabc\r\n`),
    'INMESH_RESET',
  ],
  'sends chunks that are none': [
    ({ socket }) => void socket.end(`${head('transfer-encoding: chunked')}3\r\nabc\r\nzz\r\n`),
    'INMESH_PROTOCOL',
  ],
};

describe.each(Object.entries(faults))('a server that %s', (_name, [fault, code]) => {
  it.each(Object.entries(readers))('fails %s, and is not asked again', async (_reader, read) => {
    let requests = 0;
    const { address } = await wireServer(bench, (request) => {
      requests++;
      fault(request);
    });
    const mesh = await bench.mesh([address]);
    const error = await read(mesh).then(
      (text) => expect.unreachable(`it was read: ${text}`),
      (caught) => caught,
    );
    expect(isMeshError(error, code as 'INMESH_RESET'), String((error as Error).cause ?? error)).toBe(true);
    expect(requests).toBe(1);
  });

  it('brings nothing down when nobody reads', async () => {
    const { address } = await wireServer(bench, fault);
    const mesh = await bench.mesh([address]);
    const response = await mesh.request(url);
    await mesh.close();
    await expect(response.body.text()).rejects.toMatchObject({ name: 'MeshError' });
  });
});

describe('a server that stops in the middle of a body', () => {
  const silent = async (limits: object) => {
    let closed: Promise<unknown> | undefined;
    const { address } = await wireServer(bench, ({ socket }) => {
      closed = once(socket, 'close');
      socket.write(`${head('content-length: 10')}abc`);
    });
    const mesh = (await bench.mesh([address])).with(limits) as Mesh;
    return { mesh, closed: () => closed };
  };

  it.each(Object.entries(readers))('fails %s after bodyIdleMs, and loses its connection', async (_reader, read) => {
    const { mesh, closed } = await silent({ bodyIdleMs: 40 });
    await expect(read(mesh)).rejects.toSatisfy((error) => isMeshError(error, 'INMESH_BODY_IDLE'));
    await closed();
  });

  it.each(Object.entries(readers))('fails %s after timeoutMs, and loses its connection', async (_reader, read) => {
    const { mesh, closed } = await silent({ timeoutMs: 60 });
    await expect(read(mesh)).rejects.toSatisfy((error) => isMeshError(error, 'INMESH_TIMEOUT'));
    await closed();
  });

  it('loses its connection also when nobody reads', async () => {
    const { mesh, closed } = await silent({ bodyIdleMs: 40 });
    const response = await mesh.fetch(url);
    await closed();
    await expect(response.text()).rejects.toMatchObject({ message: 'terminated', cause: { code: 'INMESH_BODY_IDLE' } });
  });
});

describe('a body that comes slowly', () => {
  it('is no fault as long as something comes', async () => {
    const { address } = await wireServer(bench, async ({ socket }) => {
      socket.write(head('content-length: 6'));
      for (const letter of 'abcdef') {
        await new Promise((resolve) => setTimeout(resolve, 30));
        socket.write(letter);
      }
    });
    const mesh = await bench.mesh([address]);
    // Six gaps of 30 ms are more than 120 ms in all, and each is far less.
    expect(await (await mesh.fetch(url, { mesh: { bodyIdleMs: 120 } })).text()).toBe('abcdef');
  });
});

describe('a body that ends with the connection', () => {
  it('has no length to miss, and is whole', async () => {
    const { address } = await wireServer(bench, ({ socket }) => void socket.end(`${head('x: 1')}abc`));
    const mesh = await bench.mesh([address]);
    expect(await (await mesh.fetch(url)).text()).toBe('abc');
  });
});

describe('a request body that breaks', () => {
  it.each(['GET', 'PUT', 'POST'])(
    'fails the %s with its own error, and the server does not see a whole request',
    async (method) => {
      const whole: string[] = [];
      const { address } = await bench.server((request, response) => {
        request.on('error', () => {});
        request.on('end', () => {
          whole.push(method);
          response.end();
        });
        request.resume();
      });
      const policy = { outlierDetection: { consecutiveLocalOriginFailures: 1, maxEjectionPercent: 100 } };
      const mesh = await bench.mesh([address, address.replace('127.0.0.1', 'localhost')], policy);
      async function* broken() {
        yield Buffer.from('a');
        throw new Error('disk');
      }
      await expect(mesh.request(url, { method, body: broken() })).rejects.toMatchObject({
        code: 'INMESH_ABORTED',
        message: 'the request body broke: disk',
      });
      // No endpoint is to blame.
      expect(mesh.status().services[0]?.endpoints.every((endpoint) => endpoint.healthy)).toBe(true);
      expect(whole).toEqual([]);
    },
  );

  it('is sent to the end while the server answers early, or given up without harm', async () => {
    const early = await bench.server((_request, response) =>
      response.writeHead(413, { connection: 'close' }).end('too large'),
    );
    const mesh = await bench.mesh([early.address], { retries: { max: 0 } });
    async function* large() {
      for (let count = 0; count < 64; count++) yield Buffer.alloc(65_536);
    }
    const outcome = await mesh
      .request(url, { method: 'POST', body: large() })
      .then(async ({ statusCode, body }) => [statusCode, await body.text().catch(() => 'cut')])
      .catch((error) => error.code);
    expect([[413, 'too large'], [413, 'cut'], 'INMESH_RESET']).toContainEqual(outcome);
  });
});
