import { connect, type Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import type { Connector } from '../../src/transport/connect-within.ts';
import { SpareConnections } from '../../src/transport/spare-connections.ts';
import { Bench } from '../adapters/bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const options = { protocol: 'http:', hostname: '127.0.0.1', port: '1' };

/** Spares of a server whose sockets the test holds. */
async function open(count: number, { refuse = false } = {}) {
  const accepted: Socket[] = [];
  const { port } = await bench.raw((socket) => {
    socket.on('error', () => {});
    accepted.push(socket);
  });
  const state = { refuse, made: 0 };
  const connector: Connector = (_options, callback) => {
    state.made++;
    if (state.refuse) {
      queueMicrotask(() => callback(new Error('refused'), null));
      return;
    }
    const socket = connect(port, '127.0.0.1', () => callback(null, socket));
    socket.once('error', (error) => {
      if (socket.connecting) callback(error, null);
    });
  };
  const clock = new VirtualClock();
  const spares = new SpareConnections(connector, count, options, clock);
  bench.onClose(() => spares.close());
  return { spares, accepted, state, clock };
}

function take(spares: SpareConnections): Promise<Socket> {
  return new Promise((resolve, reject) => {
    spares.connect(options, (error, socket) => (error === null ? resolve(socket as Socket) : reject(error)));
  });
}

describe('spare connections', () => {
  it('are made ahead, and replaced when one is taken', async () => {
    const { spares, accepted, state } = await open(2);
    await expect.poll(() => spares.size).toBe(2);
    const socket = await take(spares);
    expect(socket.readyState).toBe('open');
    await expect.poll(() => spares.size).toBe(2);
    expect(state.made).toBe(3);
    await expect.poll(() => accepted.length).toBe(3);
    socket.destroy();
  });

  it('leave nothing of theirs on a connection that is taken', async () => {
    const { spares } = await open(1);
    await expect.poll(() => spares.size).toBe(1);
    const socket = await take(spares);
    expect([socket.listenerCount('close'), socket.listenerCount('data'), socket.isPaused()]).toEqual([0, 0, false]);
    socket.destroy();
  });

  it('are made anew when nobody is left', async () => {
    const { spares } = await open(1);
    const sockets = await Promise.all([take(spares), take(spares)]);
    expect(sockets.map(({ readyState }) => readyState)).toEqual(['open', 'open']);
    for (const socket of sockets) socket.destroy();
  });

  it('are replaced when the server hangs up, after a while', async () => {
    const { spares, accepted, state, clock } = await open(1);
    await expect.poll(() => accepted.length).toBe(1);
    await expect.poll(() => spares.size).toBe(1);
    accepted[0]?.end();
    await expect.poll(() => spares.size).toBe(0);
    expect(state.made).toBe(1);
    await clock.advance(1_000);
    await expect.poll(() => spares.size).toBe(1);
  });

  it('are replaced before a server takes them for dead', async () => {
    const { spares, accepted, state, clock } = await open(1);
    await expect.poll(() => spares.size).toBe(1);
    await clock.advance(20_000);
    await expect.poll(() => spares.size).toBe(1);
    expect(state.made).toBe(2);
    await expect.poll(() => accepted[0]?.destroyed).toBe(true);
  });

  it('are there all the time when nobody takes them, and grow old one after the other', async () => {
    const clock = new VirtualClock();
    let made = 0;
    const connector: Connector = (_options, callback) => {
      made++;
      clock.setTimer(() => callback(null, new Socket()), 5);
    };
    const spares = new SpareConnections(connector, 4, options, clock);
    await clock.advance(10);
    for (let second = 0; second < 3_600; second++) {
      await clock.advance(1_000);
      expect(spares.size).toBeGreaterThanOrEqual(3);
    }
    expect(made).toBeLessThan((4 * 3_600) / 10 + 4);
    spares.close();
    await clock.advance(10);
    expect(clock.pendingTimers).toBe(0);
  });

  it('are made ever more rarely while the server hangs up on them', async () => {
    const { accepted, state, clock, spares } = await open(1);
    const waits: number[] = [];
    for (let round = 0; round < 4; round++) {
      await expect.poll(() => spares.size).toBe(1);
      await expect.poll(() => accepted.length).toBe(round + 1);
      accepted[round]?.end();
      await expect.poll(() => spares.size).toBe(0);
      const from = clock.now();
      while (state.made === round + 1) await clock.advance(1_000);
      waits.push(clock.now() - from);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000]);
  });

  it('are tried again ever more rarely while the server refuses', async () => {
    const { state, clock, spares } = await open(3, { refuse: true });
    await clock.advance(0);
    expect(state.made).toBe(3);
    const made: number[] = [];
    for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      await clock.advance(ms);
      made.push(state.made);
    }
    expect(made).toEqual([6, 9, 12, 15, 18, 21, 24]);
    state.refuse = false;
    await clock.advance(30_000);
    await expect.poll(() => spares.size).toBe(3);
  });

  it('are gone once closed, also those in the making', async () => {
    const { spares, accepted, clock } = await open(2);
    spares.close();
    await expect.poll(() => accepted.length).toBe(2);
    await expect.poll(() => accepted.every(({ destroyed }) => destroyed)).toBe(true);
    expect([spares.size, clock.pendingTimers]).toEqual([0, 0]);
  });
});

describe('a pool with spare connections', () => {
  it('sends over one that was there before the call', async () => {
    const sockets: Socket[] = [];
    const listening = await bench.server((_request, response) => void response.end('ok'));
    (listening.server as Server).on('connection', (socket) => sockets.push(socket));
    const mesh = await bench.mesh([listening.address], { connectionPool: { tcp: { minIdleConnections: 2 } } });
    await expect.poll(() => sockets.length).toBe(2);
    const { body } = await mesh.request('http://reviews/');
    expect(await body.text()).toBe('ok');
    expect(sockets.filter(({ bytesRead }) => bytesRead > 0)).toHaveLength(1);
    expect(sockets.findIndex(({ bytesRead }) => bytesRead > 0)).toBeLessThan(2);
    await expect.poll(() => sockets.length).toBe(3);
    await mesh.close();
    await expect.poll(() => sockets.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it('is refused with HTTP/2', async () => {
    const connectionPool = { tcp: { minIdleConnections: 1 }, http: { h2UpgradePolicy: 'UPGRADE' as const } };
    await expect(bench.mesh(['127.0.0.1:1'], { connectionPool })).rejects.toThrow(
      'minIdleConnections: is for HTTP/1.1',
    );
  });
});
