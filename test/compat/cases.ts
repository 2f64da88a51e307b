/**
 * What every client must be able to do over every transport, and what only some combinations have.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer as createTcpServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { connect, WebSocket as UndiciWebSocket } from 'undici';
import { WebSocketServer } from 'ws';
import { isMeshError, type Mesh } from '../../src/index.ts';
import type { Bench } from '../adapters/bench.ts';
import type { Client, Received } from './clients.ts';
import type { Transport } from './transports.ts';

const url = 'http://reviews';

async function textOf(received: Received): Promise<string> {
  return Buffer.from(await received.bytes()).toString();
}

/** One thing that a client can do over a transport. */
export type Case = (client: Client, mesh: Mesh, transport: Transport) => Promise<void>;

const chunkBytes = 64 * 1024;
const chunkCount = 16;

async function* mebibyte() {
  for (let count = 0; count < chunkCount; count++) yield Buffer.alloc(chunkBytes, count + 1);
}

async function rejected(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail('it was fulfilled'),
    (error) => error,
  );
}

/** For each client and transport. */
export const cases: Readonly<Record<string, Case>> = {
  'gets JSON, by the protocol that was asked for': async (client, mesh, { version }) => {
    const received = await client.send(mesh, `${url}/json`, {});
    assert.equal(received.status, 200);
    assert.equal(received.headers.get('content-type'), 'application/json');
    assert.deepEqual(JSON.parse(await textOf(received)), { version, host: 'reviews' });
  },
  'posts a body, and gets it back': async (client, mesh) => {
    const headers = { 'content-type': 'text/x-echo' };
    const received = await client.send(mesh, `${url}/echo`, { method: 'POST', body: 'aä😀', headers });
    assert.equal(received.headers.get('content-type'), 'text/x-echo');
    assert.equal(await textOf(received), 'aä😀');
  },
  'streams a mebibyte there and back': async (client, mesh) => {
    const received = await client.send(mesh, `${url}/echo`, { method: 'POST', body: mebibyte });
    const expected = createHash('sha256');
    for await (const chunk of mebibyte()) expected.update(chunk);
    const bytes = await received.bytes();
    assert.equal(bytes.length, chunkBytes * chunkCount);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), expected.digest('hex'));
  },
  'gets several set-cookie': async (client, mesh) => {
    const received = await client.send(mesh, `${url}/cookies`, {});
    assert.deepEqual(received.headers.getSetCookie(), ['a=1; Path=/', 'b=2; HttpOnly', 'c=3']);
    assert.equal(await textOf(received), 'cookies');
  },
  'gets error statuses, after the retries where there are any': async (client, mesh) => {
    for (const status of [404, 500, 503]) {
      const received = await client.send(mesh, `${url}/${status}`, {});
      assert.equal(received.status, status);
      assert.equal(await textOf(received), `status ${status}`);
    }
  },
  'decodes gzip, or leaves it alone, as it always does': async (client, mesh) => {
    const received = await client.send(mesh, `${url}/gzip`, { headers: { 'accept-encoding': 'gzip' } });
    const bytes = await received.bytes();
    assert.equal(String(client.decodes ? Buffer.from(bytes) : gunzipSync(bytes)), 'plain');
  },
  'aborts before the head': async (client, mesh) => {
    const controller = new AbortController();
    const sent = client.send(mesh, `${url}/silent`, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    const error = (await rejected(sent)) as Error;
    assert.equal(error.name, 'AbortError', String(error));
  },
  'aborts in the body': async (client, mesh) => {
    const controller = new AbortController();
    const received = await client.send(mesh, `${url}/half`, { signal: controller.signal });
    const reading = received.bytes();
    setTimeout(() => controller.abort(), 20);
    const error = (await rejected(reading)) as Error;
    assert.match(`${error.name} ${(error as { code?: string }).code}`, /Abort|ABORT|PREMATURE_CLOSE/);
  },
  'gets an error of the mesh': async (client, mesh) => {
    const error = await rejected(client.send(mesh, 'http://unknown/', {}));
    assert.ok(isMeshError(error, 'INMESH_UNKNOWN_HOST'), String(error));
  },
};

/** For HTTP/1.1, whose connections can become something else. */
export const connectionCases: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  'built-in WebSocket talks through the dispatcher': (bench) =>
    talk(bench, WebSocket as unknown as typeof UndiciWebSocket),
  'WebSocket of undici talks through the dispatcher': (bench) => talk(bench, UndiciWebSocket),
  'CONNECT passes through the dispatcher': async (bench) => {
    const { server, address } = await bench.server(() => {});
    server.on('connect', (_request, socket) => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.pipe(socket);
    });
    const mesh = await bench.mesh([address]);
    const { statusCode, socket } = await connect(`${url}/`, {
      dispatcher: mesh.dispatcher,
      path: 'details:80',
    } as never);
    assert.equal(statusCode, 200);
    const echoed = new Promise((resolve) => socket.once('data', resolve));
    socket.write('tunnel');
    assert.equal(String(await echoed), 'tunnel');
    socket.destroy();
  },
};

async function talk(bench: Bench, Socket: typeof UndiciWebSocket): Promise<void> {
  const { server, address } = await bench.server(() => {});
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (message) => socket.send(`echo ${message}`)));
  const mesh = await bench.mesh([address]);
  const socket = new Socket('ws://reviews/socket', { dispatcher: mesh.dispatcher } as never);
  const events: string[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.onerror = (event) => reject((event as { error?: unknown }).error ?? new Error('error event'));
    socket.onopen = () => socket.send('hello');
    socket.onmessage = ({ data }) => {
      events.push(String(data));
      assert.equal(mesh.status().services[0]?.endpoints[0]?.inFlight, 1, 'a WebSocket holds its load');
      socket.close();
    };
    socket.onclose = () => resolve();
  });
  assert.deepEqual(events, ['echo hello']);
}

const importer = fileURLToPath(new URL('importer.ts', import.meta.url));

/** What the mesh must not change for those who do not call it. */
export const importCases: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  // Importing undici 8 broke this on Node 22 once (nodejs/undici#5500).
  'built-in fetch takes a content-length of the caller, after the import and through the mesh': async (bench) => {
    const { address } = await bench.server((request, response) => {
      request.pipe(response.writeHead(200, { 'x-length': request.headers['content-length'] ?? 'none' }));
    });
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', importer, address]);
    const fine = { status: 200, body: 'abc' };
    assert.deepEqual(JSON.parse(stdout), {
      imported: fine,
      dispatched: fine,
      installed: fine,
      passed: fine,
      restored: fine,
      before: true,
    });
  },
  'built-in fetch fails as it does': async (bench) => {
    const { server, address } = await bench.listen(createTcpServer());
    await new Promise((resolve) => server.close(resolve));
    const error = (await rejected(fetch(`http://${address}/`))) as Error & { cause: { code: string } };
    assert.deepEqual([error.message, error.cause.code], ['fetch failed', 'ECONNREFUSED']);
  },
};
