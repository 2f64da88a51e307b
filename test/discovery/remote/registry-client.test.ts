import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { isMeshError } from '../../../src/core/errors.ts';
import { RegistryClient } from '../../../src/discovery/remote/registry-client.ts';
import { type FakeEtcdGateway, type GatewayAnswer, reply, startFakeEtcdGateway } from '../etcd/fake-etcd-gateway.ts';

const servers: FakeEtcdGateway[] = [];
let client: RegistryClient | undefined;

afterEach(async () => {
  await client?.close();
  await Promise.all(servers.splice(0).map((server) => server.dispose()));
});

async function start(answer: GatewayAnswer = (_, response) => reply(response, 200, {})): Promise<FakeEtcdGateway> {
  const server = await startFakeEtcdGateway(answer);
  servers.push(server);
  return server;
}

/** Where nobody listens. */
async function deadHost(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

function open(hosts: readonly string[]): RegistryClient {
  client = new RegistryClient({ name: 'registry', hosts, clock: systemClock });
  return client;
}

const request = { method: 'POST', path: '/x', body: '{}' } as const;

describe('RegistryClient', () => {
  it('finds the server that is left for each of many requests at once', async () => {
    const server = await start();
    const opened = open([await deadHost(), server.host, await deadHost()]);
    const replies = await Promise.all(Array.from({ length: 20 }, () => opened.send(request)));
    expect(new Set(replies.map(({ host }) => host))).toEqual(new Set([server.host]));
    expect(server.requests).toHaveLength(20);
  });

  it('turns away once from a server that answers many requests too late', async () => {
    const silent = await start(() => {});
    const [second, third] = [await start(), await start()];
    const opened = open([silent.host, second.host, third.host]);
    const late = await Promise.allSettled(Array.from({ length: 2 }, () => opened.send({ ...request, timeoutMs: 50 })));
    expect(late.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await opened.send(request)).host).toBe(second.host);
    // One that failed at a server which is not asked any more changes nothing.
    opened.rotate(silent.host);
    expect((await opened.send(request)).host).toBe(second.host);
    opened.rotate(second.host);
    expect((await opened.send(request)).host).toBe(third.host);
  });

  it('makes no connection once it is closed, while headers are made or one server after another is tried', async () => {
    const server = await start();
    const token = Promise.withResolvers<Record<string, string>>();
    client = new RegistryClient({
      name: 'registry',
      hosts: [server.host],
      clock: systemClock,
      headers: () => token.promise,
    });
    const replies = [client.send(request), client.stream(request)];
    await client.close();
    token.resolve({});
    for (const reply of replies) {
      const error = await reply.catch((caught: unknown) => caught);
      expect(isMeshError(error, 'INMESH_CLOSED')).toBe(true);
    }
    expect(server.requests).toEqual([]);
  });

  it('bounds the time of who reads a reply as it comes', async () => {
    const server = await start((_, response) => {
      response.write('first');
    });
    const parts: string[] = [];
    const reading = open([server.host]).receive({ ...request, timeoutMs: 50 }, async ({ status, body }) => {
      parts.push(String(status));
      for await (const part of body) parts.push(part.toString());
    });
    await expect(reading).rejects.toThrow('registry: POST /x: no answer within 50 ms');
    expect(parts).toEqual(['200', 'first']);
  });

  it('says that no server can be reached', async () => {
    const opened = open([await deadHost(), await deadHost()]);
    const error = await opened.send(request).catch((caught) => caught);
    expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
    expect(error.message).toMatch(/^registry: POST \/x: connect ECONNREFUSED/);
  });
});
