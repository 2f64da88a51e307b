/**
 * Servers and meshes that a test opens, and closes together. Runs without a test runner too.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { createMesh, type Mesh, type MeshDocument, type MeshOptions } from '../../src/index.ts';

type TrafficPolicy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

/** A listening server. */
export interface Listening<S> {
  readonly server: S;
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
}

/** What a test has open. */
export class Bench {
  private readonly closers: (() => unknown)[] = [];

  /** `close` is called with the others, last opened first. */
  onClose(close: () => unknown): void {
    this.closers.push(close);
  }

  /** An HTTP server on a free port. */
  server(listener: RequestListener): Promise<Listening<Server>> {
    const server = createServer(listener);
    this.onClose(() => server.closeAllConnections());
    return this.listen(server);
  }

  /** A TCP server on a free port; `onSocket` plays HTTP badly. */
  raw(onSocket: (socket: Socket) => void): Promise<Listening<TcpServer>> {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      onSocket(socket);
    });
    this.onClose(() => {
      for (const socket of sockets) socket.destroy();
    });
    return this.listen(server);
  }

  /** Lets `server` listen on a free port. */
  async listen<S extends TcpServer>(server: S): Promise<Listening<S>> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.onClose(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    return { server, port, address: `127.0.0.1:${port}` };
  }

  /** A mesh with one service, `reviews`, at these addresses. */
  async mesh(addresses: readonly string[], policy?: TrafficPolicy, options?: Partial<MeshOptions>): Promise<Mesh> {
    const endpoints = addresses.map((address) => ({ address }));
    const service = { host: 'reviews', endpoints, ...(policy === undefined ? undefined : { trafficPolicy: policy }) };
    return this.meshOf({ services: [service] }, options);
  }

  /** A mesh over one server with `listener`. */
  async meshTo(listener: Parameters<Bench['server']>[0], policy?: Parameters<Bench['mesh']>[1]): Promise<Mesh> {
    const { address } = await this.server(listener);
    return this.mesh([address], policy);
  }

  async meshOf(registry: MeshDocument, options?: Partial<MeshOptions>): Promise<Mesh> {
    const mesh = await createMesh({ service: 'productpage', registry, ...options });
    this.onClose(() => mesh.close({ timeoutMs: 1_000 }));
    return mesh;
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close();
  }
}

/** The whole body of a request, as text. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

/** Answers with what came in, as JSON: method, url, headers and body. */
export async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url, headers } = request;
  const body = await bodyOf(request);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method, url, headers, body }));
}

/** What {@link echo} answers. */
export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
