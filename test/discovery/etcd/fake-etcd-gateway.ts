import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that a gateway got. */
export interface GatewayRequest {
  readonly path: string;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** A server that answers as a test says. */
export interface FakeEtcdGateway {
  readonly host: string;
  readonly requests: GatewayRequest[];
  dispose(): Promise<void>;
}

export type GatewayAnswer = (request: GatewayRequest, response: ServerResponse) => void;

/** Answers with this status and JSON. */
export function reply(response: ServerResponse, status: number, message: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof message === 'string' ? message : JSON.stringify(message));
}

export async function startFakeEtcdGateway(answer: GatewayAnswer): Promise<FakeEtcdGateway> {
  const requests: GatewayRequest[] = [];
  const server = createServer(async (incoming, response) => {
    let body = '';
    for await (const chunk of incoming) body += chunk;
    const request = { path: incoming.url ?? '', body, headers: incoming.headers };
    requests.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    dispose: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
