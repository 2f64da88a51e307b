import { PassThrough } from 'node:stream';
import { type Dispatcher, errors } from 'undici';
import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../src/core/attempt.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { Exchange } from '../../src/transport/exchange.ts';
import { fakeAttempt, fakeCall } from '../resilience/fake-call.ts';

/** undici's side of an exchange. */
class FakeController {
  rawHeaders: unknown = null;
  rawTrailers: unknown = null;
  readonly aborts: unknown[] = [];

  pause(): void {}
  resume(): void {}

  abort(reason: unknown): void {
    this.aborts.push(reason);
  }
}

function open(method = 'GET', attempt: Attempt = fakeAttempt(fakeCall({ method }))) {
  const exchange = new Exchange(attempt, { wallTime: () => 0, tlsErrorCodes: undefined });
  exchange.promise.catch(() => {});
  const fake = new FakeController();
  return { attempt, call: attempt.call, exchange, fake, controller: fake as unknown as Dispatcher.DispatchController };
}

describe('an exchange', () => {
  it('is not sent before it starts, and may have been from then on', () => {
    const { attempt, exchange, controller } = open();
    expect(attempt.sent).toBe('none');
    exchange.onRequestStart(controller);
    expect(attempt.sent).toBe('maybe');
  });

  it('ends when its head cannot be read', async () => {
    const attempt = fakeAttempt(fakeCall());
    const wallTime = () => {
      throw new Error('no clock');
    };
    const exchange = new Exchange(attempt, { wallTime, tlsErrorCodes: undefined });
    const controller = new FakeController() as unknown as Dispatcher.DispatchController;
    exchange.onRequestStart(controller);
    const head = () => exchange.onResponseStart(controller, 503, { 'retry-after': 'Sat, 21 Nov 2026 10:00:00 GMT' });
    expect(head).toThrow('no clock');
    // undici reports what its handler throws.
    exchange.onResponseError(controller, new Error('no clock'));
    await expect(exchange.promise).rejects.toMatchObject({ code: 'INMESH_RESET' });
  });

  it('settles at the final head, not at informational ones', async () => {
    const { exchange, fake, controller } = open();
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 103, { link: 'x' });
    fake.rawHeaders = [Buffer.from('a'), Buffer.from('1')];
    exchange.onResponseStart(controller, 200, { a: '1' }, 'OK');
    exchange.onResponseData(controller, Buffer.from('x'));
    exchange.onResponseEnd(controller);
    const reply = await exchange.promise;
    expect([reply.status, reply.statusText, reply.headers, reply.rawHeaders]).toEqual([
      200,
      'OK',
      { a: '1' },
      fake.rawHeaders,
    ]);
    expect([reply.body.complete, await reply.body.text()]).toEqual([true, 'x']);
  });

  it('hands trailers on', async () => {
    const { exchange, fake, controller } = open();
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 200, {});
    fake.rawTrailers = [Buffer.from('a'), Buffer.from('1')];
    exchange.onResponseEnd(controller);
    expect((await exchange.promise).body.rawTrailers).toBe(fake.rawTrailers);
  });

  it('leaves no listener behind, however it ends', async () => {
    const endings: ((e: ReturnType<typeof open>) => void)[] = [
      ({ exchange, controller }) => {
        exchange.onResponseStart(controller, 200, {});
        exchange.onResponseEnd(controller);
      },
      ({ exchange, controller }) => exchange.onResponseError(controller, new Error('x')),
      ({ exchange, controller }) => {
        exchange.onResponseStart(controller, 200, {});
        exchange.onResponseError(controller, new Error('x'));
      },
      ({ exchange }) => exchange.fail(new Error('x')),
    ];
    for (const end of endings) {
      const opened = open();
      expect(opened.call.listenerCount).toBe(1);
      opened.exchange.onRequestStart(opened.controller);
      end(opened);
      expect([opened.call.listenerCount, opened.attempt.listenerCount]).toEqual([0, 0]);
    }
  });
});

describe('a cancelled exchange', () => {
  it('that waits for its connection rejects at once, and is aborted when it would start', async () => {
    const { call, attempt, exchange, fake, controller } = open();
    call.cancel('enough');
    await expect(exchange.promise).rejects.toBe('enough');
    exchange.onRequestStart(controller);
    expect(isMeshError(fake.aborts[0], 'INMESH_ABORTED')).toBe(true);
    expect(attempt.sent).toBe('none');
  });

  it.each(['enough', null, new Error('mine')])(
    'without a head aborts, and rejects with the reason %s',
    async (reason) => {
      const { call, exchange, fake, controller } = open();
      exchange.onRequestStart(controller);
      call.cancel(reason);
      await expect(exchange.promise).rejects.toBe(reason);
      expect(fake.aborts).toEqual([reason]);
    },
  );

  it('with a head aborts, and fails the body with the reason', async () => {
    const { attempt, exchange, fake, controller } = open();
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 200, {});
    const { body } = await exchange.promise;
    const text = body.text();
    attempt.cancel('enough');
    await expect(text).rejects.toBe('enough');
    expect(fake.aborts).toEqual(['enough']);
  });

  it('before it was made is rejected', async () => {
    const call = fakeCall();
    call.cancel('enough');
    await expect(open('GET', fakeAttempt(call)).exchange.promise).rejects.toBe('enough');
  });
});

describe('a second start by undici itself', () => {
  it('is refused for what is not idempotent', async () => {
    const { exchange, fake, controller } = open('POST');
    exchange.onRequestStart(controller);
    exchange.onRequestStart(controller);
    expect(isMeshError(fake.aborts[0], 'INMESH_RESET')).toBe(true);
  });

  it('is fine for what is idempotent', () => {
    const { exchange, fake, controller } = open('GET');
    exchange.onRequestStart(controller);
    exchange.onRequestStart(controller);
    expect(fake.aborts).toEqual([]);
  });
});

describe('a refused exchange', () => {
  it('may be sent again, whatever its method', async () => {
    const { attempt, exchange, controller } = open('POST');
    exchange.onRequestStart(controller);
    exchange.onResponseError(controller, Object.assign(new Error('x'), { http2ErrorCode: 7 }));
    expect(attempt.sent).toBe('refused');
    await expect(exchange.promise).rejects.toMatchObject({ code: 'INMESH_REFUSED_STREAM' });
  });

  it('by a pool that is closed was never sent', async () => {
    const { attempt, exchange } = open('POST');
    exchange.onResponseError(null, new errors.ClientClosedError());
    expect(attempt.sent).toBe('none');
    await expect(exchange.promise).rejects.toMatchObject({ code: 'INMESH_CONNECT' });
  });
});

describe('an upgraded exchange', () => {
  it('is a reply with a socket, which ends with it', async () => {
    const { call, exchange, controller } = open();
    const socket = new PassThrough();
    exchange.onRequestStart(controller);
    exchange.onRequestUpgrade(controller, 101, { upgrade: 'x' }, socket);
    const reply = await exchange.promise;
    expect([reply.status, reply.socket, reply.body.complete]).toEqual([101, socket, false]);
    const ended = new Promise((resolve) => reply.onEnd(resolve));
    socket.destroy();
    expect(await ended).toMatchObject({ kind: 'success' });
    expect(call.listenerCount).toBe(0);
  });

  it('loses its socket when the call is cancelled, before and after', async () => {
    const { call, exchange, controller } = open();
    const socket = new PassThrough();
    exchange.onRequestStart(controller);
    exchange.onRequestUpgrade(controller, 101, {}, socket);
    call.cancel('enough');
    expect(socket.destroyed).toBe(true);
    const late = open();
    late.exchange.onRequestStart(late.controller);
    late.call.cancel('enough');
    const other = new PassThrough();
    late.exchange.onRequestUpgrade(late.controller, 101, {}, other);
    expect(other.destroyed).toBe(true);
  });
});
