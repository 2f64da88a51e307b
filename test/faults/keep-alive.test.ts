import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, bodyOf } from '../adapters/bench.ts';
import { guardTests } from './guard-tests.ts';
import { ok, wireServer } from './wire-server.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const url = 'http://reviews/';

describe('a server that closes idle connections', () => {
  it.each(['end', 'resetAndDestroy'] as const)(
    '(%s) right when requests are sent fails no GET, and sees no POST twice',
    async (close) => {
      const rounds = 300;
      const idle = new Set<Socket>();
      const posts = new Map<string, number>();
      const { address } = await wireServer(bench, ({ socket, method, body }) => {
        idle.delete(socket);
        if (method === 'POST') posts.set(body, (posts.get(body) ?? 0) + 1);
        socket.write(ok, () => idle.add(socket));
      });
      const mesh = await bench.mesh([address], {
        retryBudget: { percent: 100, minRetriesPerSecond: 1_000 },
        outlierDetection: { disabled: true },
      });
      let resets = 0;
      for (let round = 0; round < rounds; round++) {
        // Closed in the same turn, one turn before and one after: each side of the race.
        for (let turns = round % 3; turns > 0; turns--) await turn();
        const calls = [
          mesh.request(url).then(({ body }) => body.text()),
          mesh.request(url, { method: 'POST', body: String(round) }).then(
            ({ body }) => body.text(),
            (error) => {
              expect(error.code).toBe('INMESH_RESET');
              resets++;
              return 'ok';
            },
          ),
        ];
        if (round % 2 === 0) await turn();
        for (const socket of idle) socket[close]();
        idle.clear();
        expect(await Promise.all(calls)).toEqual(['ok', 'ok']);
      }
      expect(Math.max(...posts.values())).toBe(1);
      expect(posts.size).toBeGreaterThanOrEqual(rounds - resets);
    },
  );

  it('after one request each is served by new connections', async () => {
    let connections = 0;
    const { address, server } = await bench.server((_request, response) => {
      response.shouldKeepAlive = false;
      response.end('ok');
    });
    server.on('connection', () => connections++);
    const mesh = await bench.mesh([address]);
    for (let round = 0; round < 20; round++) expect(await (await mesh.request(url)).body.text()).toBe('ok');
    expect(connections).toBe(20);
  });

  it('with a short keep-alive timeout of its own loses no request', async () => {
    const { address, server } = await bench.server(async (request, response) => response.end(await bodyOf(request)));
    server.keepAliveTimeout = 5;
    server.keepAliveTimeoutBuffer = 0;
    const mesh = await bench.mesh([address]);
    let lost = 0;
    for (let round = 0; round < 60; round++) {
      const text = await mesh.request(url, { method: 'PUT', body: 'x' }).then(({ body }) => body.text());
      if (text !== 'x') lost++;
      await new Promise((resolve) => setTimeout(resolve, 3 + (round % 5)));
    }
    expect(lost).toBe(0);
  });
});

describe('a connection that is half open', () => {
  it('(the server has ended its side) is not used for the next request', async () => {
    const sockets: Socket[] = [];
    const { address } = await wireServer(bench, ({ socket }) => {
      sockets.push(socket);
      socket.write(ok);
    });
    const mesh = await bench.mesh([address], { retries: { max: 0 } });
    await (await mesh.request(url)).body.text();
    const ended = once(sockets[0] as Socket, 'close');
    sockets[0]?.end();
    await ended;
    expect(await (await mesh.request(url, { method: 'POST', body: 'x' })).body.text()).toBe('ok');
    expect(new Set(sockets).size).toBe(2);
  });

  it('(the server is gone without a word) ends the call at its limit', async () => {
    const { address } = await wireServer(bench, ({ socket, number }) => {
      if (number === 1) socket.write(ok);
      else socket.pause();
    });
    const mesh = await bench.mesh([address], { connectionPool: { tcp: { maxConnections: 1 } } });
    await (await mesh.request(url)).body.text();
    const second = mesh.request(url, { mesh: { headTimeoutMs: 40, retries: 0 } });
    await expect(second).rejects.toMatchObject({ code: 'INMESH_HEAD_TIMEOUT' });
    expect(await (await mesh.request(url)).body.text()).toBe('ok');
  });
});

describe('a limit of requests for a connection', () => {
  it('is kept, and loses no request', async () => {
    const perConnection = new Map<Socket, number>();
    const { address } = await bench.server((request, response) => {
      perConnection.set(request.socket, (perConnection.get(request.socket) ?? 0) + 1);
      response.end('ok');
    });
    const mesh = await bench.mesh([address], { connectionPool: { http: { maxRequestsPerConnection: 3 } } });
    for (let round = 0; round < 10; round++) {
      expect(await (await mesh.request(url, { method: 'POST', body: 'x' })).body.text()).toBe('ok');
    }
    expect(Math.max(...perConnection.values())).toBeLessThanOrEqual(3);
  });
});
