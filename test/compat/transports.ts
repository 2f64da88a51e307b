/**
 * The ways to a service: HTTP/1.1, HTTP/2 over TLS, and HTTP/2 in cleartext, each with the same server behind.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createCleartext,
  createSecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from 'node:http2';
import { gzipSync } from 'node:zlib';
import type { Mesh } from '../../src/index.ts';
import { type Bench, bodyOf } from '../adapters/bench.ts';
import { secureFolder } from '../adapters/secure-folder.ts';

/** One way to a service. */
export interface Transport {
  readonly name: string;
  /** What the server sees as version of the protocol. */
  readonly version: '1.1' | '2.0';
  /** A mesh with a service `reviews` that is reached this way. */
  open(bench: Bench): Promise<Mesh>;
}

/** Serves what the cases ask for; the same code for both versions of the protocol. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://reviews');
  switch (pathname) {
    case '/json':
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ version: request.httpVersion, host: request.headers.host ?? request.headers[':authority'] }),
      );
      return;
    case '/echo':
      response.setHeader('content-type', request.headers['content-type'] ?? 'application/octet-stream');
      request.pipe(response);
      return;
    case '/cookies':
      response.setHeader('set-cookie', ['a=1; Path=/', 'b=2; HttpOnly', 'c=3']);
      response.end('cookies');
      return;
    case '/gzip':
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync('plain'));
      return;
    case '/silent':
      response.on('error', () => {});
      return;
    case '/half':
      response.on('error', () => {});
      response.write('half');
      return;
    case '/length':
      response.end(`${request.headers['content-length']} ${await bodyOf(request)}`);
      return;
    default:
      response.statusCode = Number(pathname.slice(1)) || 404;
      response.end(`status ${response.statusCode}`);
  }
}

async function overHttp2(bench: Bench, server: Http2Server, policy: Parameters<Bench['mesh']>[1]): Promise<Mesh> {
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  bench.onClose(() => {
    for (const session of sessions) session.destroy();
  });
  const { address } = await bench.listen(server);
  return bench.mesh([address], policy);
}

const upgrade = { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } } as const;
const handler = serve as unknown as Parameters<typeof createCleartext>[1];

export const transports: readonly Transport[] = [
  {
    name: 'HTTP/1.1',
    version: '1.1',
    open: async (bench) => bench.mesh([(await bench.listen(listening(bench))).address]),
  },
  {
    name: 'HTTP/2 over TLS',
    version: '2.0',
    open: async (bench) => {
      const { server, tls } = await secureFolder(bench, 'reviews');
      return overHttp2(bench, createSecureServer(server, handler as never) as unknown as Http2Server, {
        ...upgrade,
        tls,
      });
    },
  },
  {
    name: 'HTTP/2 in cleartext',
    version: '2.0',
    open: (bench) => overHttp2(bench, createCleartext(handler), upgrade),
  },
];

function listening(bench: Bench) {
  const server = createServer(serve);
  bench.onClose(() => server.closeAllConnections());
  return server;
}
