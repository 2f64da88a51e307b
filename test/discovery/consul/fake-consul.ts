/** A server on loopback that answers as a test says; for what a real Consul does only on a bad day. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the fake saw it. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Whether the client has gone. */
  readonly gone: Promise<void>;
}

/** Answers a request; undefined for not at all. */
export type FakeAnswer =
  | {
      status?: number;
      index?: number | string | undefined;
      body?: unknown;
      cut?: boolean;
      /** Whether the token may not see all of it. */
      isFiltered?: boolean;
    }
  | undefined;

export interface FakeConsul {
  /** `127.0.0.1:1234`. */
  readonly host: string;
  readonly requests: FakeRequest[];
  /** Resolves when `count` requests have come. */
  came(count: number): Promise<void>;
  dispose(): Promise<void>;
}

/** Starts a fake. */
export async function fakeConsul(
  answer: (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>,
): Promise<FakeConsul> {
  const requests: FakeRequest[] = [];
  const listeners: (() => void)[] = [];
  const reply = async (incoming: IncomingMessage, response: ServerResponse) => {
    const url = new URL(incoming.url ?? '', 'http://consul');
    const gone = once(response, 'close').then(() => {});
    const request = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      gone,
    };
    requests.push(request);
    for (const listener of listeners.splice(0)) listener();
    const found = await answer(request);
    if (found === undefined) return;
    const { status = 200, index, body = [], cut = false, isFiltered = false } = found;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, {
      ...(index === undefined ? undefined : { 'x-consul-index': String(index) }),
      ...(isFiltered ? { 'x-consul-results-filtered-by-acls': 'true' } : undefined),
      'content-length': Buffer.byteLength(text),
    });
    if (!cut) response.end(text);
    else response.write(text.slice(0, -1), () => response.destroy());
  };
  const server = createServer((incoming, response) => void reply(incoming, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async came(count) {
      while (requests.length < count) await new Promise<void>((resolve) => listeners.push(resolve));
    },
    async dispose() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** An element of `/v1/health/service/:name`. */
export function healthEntry(address: string, port: number, service: object = {}): object {
  return {
    Node: { Node: 'n', Address: '10.9.9.9', Datacenter: 'dc1' },
    Service: { ID: `${address}:${port}`, Address: address, Port: port, ...service },
    Checks: [{ Status: 'passing' }],
  };
}
