import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { type Connecting, type Connector, connectWithin } from '../../src/transport/connect-within.ts';

type Callback = Parameters<Connector>[1];
const options = { hostname: 'reviews', host: 'reviews:80', protocol: 'http:', port: '80' } as Parameters<Connector>[0];

function make() {
  const clock = new VirtualClock();
  const connecting: Connecting = new Set();
  const socket = new PassThrough();
  let finish!: Callback;
  const connect = ((_options: unknown, callback: Callback) => {
    finish = callback;
    return socket;
  }) as unknown as Connector;
  const told: unknown[][] = [];
  connectWithin(
    connect,
    100,
    clock,
    connecting,
  )(options, ((...result: unknown[]) => void told.push(result)) as Callback);
  return {
    clock,
    connecting,
    socket,
    told,
    finish: (...result: unknown[]) => (finish as (...r: unknown[]) => void)(...result),
  };
}

describe('connectWithin', () => {
  it('hands the socket on, and leaves no timer', () => {
    const { clock, connecting, socket, told, finish } = make();
    finish(null, socket);
    expect(told).toEqual([[null, socket]]);
    expect([clock.pendingTimers, connecting.size]).toEqual([0, 0]);
  });

  it('hands an error on, and leaves no timer', () => {
    const { clock, told, finish } = make();
    finish(new Error('refused'), null);
    expect(told).toEqual([[new Error('refused'), null]]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives up at its time, once, and closes what comes later', async () => {
    const { clock, connecting, socket, told, finish } = make();
    socket.on('error', () => {});
    await clock.advance(99);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toMatchObject([
      [{ code: 'UND_ERR_CONNECT_TIMEOUT', message: 'no connection to reviews:80 within connectTimeout 100 ms' }, null],
    ]);
    expect(socket.destroyed).toBe(true);
    const late = new PassThrough();
    finish(null, late);
    expect([told.length, late.destroyed, connecting.size]).toEqual([1, true, 0]);
  });

  it('is given up from outside, and leaves no timer', () => {
    const { clock, connecting, socket, told } = make();
    socket.on('error', () => {});
    for (const giveUp of connecting) giveUp(new Error('closed'));
    expect(told).toEqual([[new Error('closed'), null]]);
    expect([socket.destroyed, clock.pendingTimers, connecting.size]).toEqual([true, 0, 0]);
  });

  it('sets no timer for a connector that answers at once', () => {
    const clock = new VirtualClock();
    const connecting: Connecting = new Set();
    const refuse = ((_options: unknown, callback: (error: Error, socket: null) => void) =>
      callback(new Error('no'), null)) as unknown as Connector;
    connectWithin(refuse, 100, clock, connecting)(options, (() => {}) as Callback);
    expect([clock.pendingTimers, connecting.size]).toEqual([0, 0]);
  });
});
