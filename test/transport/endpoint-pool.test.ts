import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Attempt } from '../../src/core/attempt.ts';
import { Call } from '../../src/core/call.ts';
import { callDefaults } from '../../src/core/call-options.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type Endpoint, makeEndpoint } from '../../src/core/endpoint.ts';
import { type BodyInput, replayableBody } from '../../src/http/request-body.ts';
import type { Connector } from '../../src/transport/connect-within.ts';
import { EndpointPool } from '../../src/transport/endpoint-pool.ts';
import { type TransportOptions, transportDefaults } from '../../src/transport/transport-options.ts';
import { Bench, echo } from '../adapters/bench.ts';
import { fakeMember } from '../balancing/fake-member.ts';

const bench = new Bench();
afterEach(() => bench.close());

function attempt(endpoint: Endpoint, method = 'GET', body: BodyInput = null): Attempt {
  const never = Number.POSITIVE_INFINITY;
  const call = new Call(
    'reviews',
    callDefaults,
    never,
    0,
    method,
    'reviews',
    '/',
    ['host', 'reviews'],
    replayableBody(body, false),
    false,
  );
  return new Attempt(call, 1, fakeMember(endpoint), 0);
}

function open(endpoint: Endpoint, options: Partial<TransportOptions> = {}): EndpointPool {
  const pool = new EndpointPool(endpoint, { ...transportDefaults, ...options }, systemClock, undefined);
  bench.onClose(() => pool.destroy(new Error('over')));
  return pool;
}

async function served(options?: Partial<TransportOptions>) {
  const { port } = await bench.server(echo);
  const endpoint = makeEndpoint({ host: '127.0.0.1', port });
  return { endpoint, pool: open(endpoint, options) };
}

describe('an endpoint pool', () => {
  it('sends to its endpoint under the name of the service', async () => {
    const { endpoint, pool } = await served();
    const reply = await pool.send(attempt(endpoint, 'POST', 'x'));
    expect(await reply.body.json()).toMatchObject({ method: 'POST', body: 'x', headers: { host: 'reviews' } });
    expect(pool.stats.connected).toBe(1);
  });

  it('probes over a connection of its own, which no request waits for', async () => {
    const answers: (() => void)[] = [];
    const sockets = new Set<unknown>();
    const { port } = await bench.server(({ method, socket }, response) => {
      sockets.add(socket);
      if (method === 'POST') response.end('sent');
      else answers.push(() => void response.end('asked'));
    });
    const endpoint = makeEndpoint({ host: '127.0.0.1', port });
    const pool = open(endpoint, { connections: 1 });
    for (let round = 0; round < 2; round++) {
      const probe = pool.probe(attempt(endpoint));
      await expect.poll(() => answers.length).toBe(1);
      expect(await (await pool.send(attempt(endpoint, 'POST', 'x'))).body.text()).toBe('sent');
      answers.pop()?.();
      expect(await (await probe).body.text()).toBe('asked');
      expect(sockets.size).toBe(2);
    }
    expect(pool.stats.connected).toBe(1);
    await pool.close();
    await expect(pool.probe(attempt(endpoint))).rejects.toThrow();
  });

  it('tries a connection, which is made or fails as those of requests, or is given up', async () => {
    const { endpoint, pool } = await served();
    await expect(pool.connect(attempt(endpoint))).resolves.toBeUndefined();
    expect(pool.stats.connected).toBe(0);
    const nobody = makeEndpoint({ host: '127.0.0.1', port: 1 });
    await expect(open(nobody).connect(attempt(nobody))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const given = attempt(endpoint);
    const connecting = pool.connect(given);
    given.cancel(new Error('enough'));
    await expect(connecting).rejects.toThrow('enough');
    expect(given.listenerCount).toBe(0);
  });

  it('sends over a unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
    const socketPath = join(folder, 's');
    const server = createServer(echo);
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    bench.onClose(() => rm(folder, { recursive: true }));
    bench.onClose(() => void server.closeAllConnections());
    bench.onClose(() => void server.close());
    const endpoint = makeEndpoint({ host: '', port: 0, socketPath });
    const reply = await open(endpoint).send(attempt(endpoint));
    expect(await reply.body.json()).toMatchObject({ headers: { host: 'reviews' } });
  });

  it('keeps to its number of connections', async () => {
    const { endpoint, pool } = await served({ connections: 2 });
    await Promise.all(Array.from({ length: 10 }, async () => (await pool.send(attempt(endpoint))).body.text()));
    expect(pool.stats.connected).toBe(2);
  });

  it('does not send what is cancelled, and does not ask for its body', async () => {
    const { endpoint, pool } = await served();
    let asked = 0;
    const cancelled = attempt(endpoint, 'POST', () => `${asked++}`);
    cancelled.call.cancel('enough');
    await expect(pool.send(cancelled)).rejects.toBe('enough');
    expect([asked, pool.stats.connected]).toEqual([0, 0]);
  });

  it('rejects with the error of a function that makes no body', async () => {
    const { endpoint, pool } = await served();
    const broken = attempt(endpoint, 'POST', () => {
      throw new Error('no body');
    });
    await expect(pool.send(broken)).rejects.toThrow('no body');
    expect(broken.sent).toBe('none');
  });

  it('that is closed has sent nothing, and says so', async () => {
    const { endpoint, pool } = await served();
    await pool.close();
    const late = attempt(endpoint);
    await expect(pool.send(late)).rejects.toMatchObject({ code: 'INMESH_CONNECT' });
    expect(late.sent).toBe('none');
  });

  it('makes nothing before its first attempt, also when it is closed without one', async () => {
    const { port } = await bench.server(echo);
    const endpoint = makeEndpoint({ host: '127.0.0.1', port });
    let made = 0;
    const secure = {
      get connector(): Connector {
        made++;
        return () => {};
      },
      serverName: 'reviews',
      errorCodes: () => undefined,
    };
    const pool = new EndpointPool(endpoint, transportDefaults, systemClock, secure);
    expect(pool.stats).toEqual({ connected: 0, running: 0, pending: 0 });
    await pool.close();
    await pool.destroy(new Error('over'));
    expect(made).toBe(0);
    await expect(pool.send(attempt(endpoint))).rejects.toMatchObject({ code: 'INMESH_CONNECT' });
    expect(made).toBe(1);
  });

  it('finishes what it has before it is closed', async () => {
    const { endpoint, pool } = await served();
    const running = pool.send(attempt(endpoint));
    const [reply] = await Promise.all([running, pool.close(), running.then(({ body }) => body.text())]);
    expect(reply.status).toBe(200);
  });

  it('can be closed and destroyed in any order, any number of times', async () => {
    const { pool } = await served();
    await Promise.all([pool.close(), pool.close()]);
    const { endpoint, pool: other } = await served();
    await (await other.send(attempt(endpoint))).body.text();
    await Promise.all([
      other.close(),
      other.destroy(new Error('over')),
      other.destroy(new Error('over')),
      other.close(),
    ]);
  });

  it('that is destroyed breaks what it has', async () => {
    const { port } = await bench.server(() => {});
    const endpoint = makeEndpoint({ host: '127.0.0.1', port });
    const pool = open(endpoint);
    const running = attempt(endpoint, 'POST');
    const sent = pool.send(running).catch((error) => error);
    while (running.sent === 'none') await new Promise((resolve) => setImmediate(resolve));
    await pool.destroy(new Error('over'));
    expect(await sent).toMatchObject({ code: 'INMESH_RESET', cause: { message: 'over' } });
  });
});
