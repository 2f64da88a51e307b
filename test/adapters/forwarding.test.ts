import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { Forwarding } from '../../src/adapters/forwarding.ts';
import type { Call } from '../../src/core/call.ts';
import { isMeshError, MeshError } from '../../src/core/errors.ts';
import { success } from '../../src/core/outcome.ts';
import type { Reply } from '../../src/core/reply.ts';
import { IncomingReply } from '../../src/http/incoming-reply.ts';
import type { MeshEngine } from '../../src/mesh/engine.ts';
import { fakeCall } from '../resilience/fake-call.ts';
import { Bench } from './bench.ts';
import { RecordingHandler } from './recording-handler.ts';

const bench = new Bench();
afterEach(() => bench.close());

/** A call that is on its way to `handler`; the test plays the mesh and the connection. */
function forward(handler: RecordingHandler) {
  const asked: string[] = [];
  const call: Call = fakeCall();
  let settle!: { resolve: (reply: Reply) => void; reject: (error: unknown) => void };
  const running = new Promise<Reply>((resolve, reject) => {
    settle = { resolve, reject };
  });
  running.catch(() => {});
  call.onCancel((reason) => settle.reject(reason));
  new Forwarding(call, handler).run({ run: () => running } as unknown as MeshEngine);
  const reply = new IncomingReply(200, 'OK', {}, [], success, {
    pause: () => void asked.push('pause'),
    resume: () => void asked.push('resume'),
    abort: () => void asked.push('abort'),
  });
  return {
    call,
    reply,
    asked,
    reject: settle.reject,
    push: (text: string) => reply.body.push(Buffer.from(text)),
    head: async () => {
      settle.resolve(reply);
      await turn();
    },
  };
}

describe('a handler that pauses', () => {
  it('gets no more before it resumes, and the connection waits', async () => {
    const handler = new RecordingHandler({ data: () => handler.controller.pause() });
    const { head, push, reply, asked } = forward(handler);
    await head();
    for (const text of ['a', 'b', 'c']) push(text);
    reply.body.finish();
    expect(handler.told).toEqual(['start', 'head 200', 'data a']);
    expect(handler.controller.paused).toBe(true);
    expect(asked).toEqual(['pause']);
    for (let step = 0; step < 3; step++) handler.controller.resume();
    expect(handler.told).toEqual(['start', 'head 200', 'data a', 'data b', 'data c', 'end']);
  });

  it('at the head gets not a byte before it resumes', async () => {
    const handler = new RecordingHandler({ head: () => handler.controller.pause() });
    const { head, push, reply } = forward(handler);
    push('a');
    await head();
    push('b');
    reply.body.finish();
    expect(handler.told).toEqual(['start', 'head 200']);
    handler.controller.resume();
    expect(handler.told).toEqual(['start', 'head 200', 'data a', 'data b', 'end']);
  });

  it('at the head is told of a failure all the same', async () => {
    const handler = new RecordingHandler({ head: () => handler.controller.pause() });
    const { head, reply } = forward(handler);
    await head();
    reply.body.fail(new MeshError('INMESH_RESET', 'broken'));
    expect(handler.told).toEqual(['start', 'head 200', 'error broken']);
    handler.controller.resume();
    expect(handler.told).toHaveLength(3);
  });

  it('and resumes at once within the head gets the body after it', async () => {
    const handler: RecordingHandler = new RecordingHandler({
      head: () => {
        handler.controller.pause();
        handler.controller.resume();
        expect(handler.told).toHaveLength(2);
      },
    });
    const { head, push } = forward(handler);
    push('a');
    await head();
    expect(handler.told).toEqual(['start', 'head 200', 'data a']);
  });

  it.each(['head', 'data'] as const)('at the %s can abort a body that has arrived', async (when) => {
    const handler = new RecordingHandler({ [when]: () => handler.controller.pause() });
    const { head, push, reply, asked } = forward(handler);
    push('a');
    push('b');
    reply.body.finish();
    await head();
    handler.controller.abort(new Error('enough'));
    expect(handler.told.at(-1)).toBe('error enough');
    expect(asked).toEqual([]);
  });
});

describe('a handler that aborts', () => {
  it('before the head cancels the call and gets its reason', async () => {
    const handler = new RecordingHandler();
    const { call } = forward(handler);
    handler.controller.abort(new Error('enough'));
    expect([handler.controller.aborted, handler.controller.reason?.message]).toEqual([true, 'enough']);
    await handler.done;
    expect(call.cancelReason).toBe(handler.error);
    expect(handler.told).toEqual(['start', 'error enough']);
  });

  it('at the start sends nothing', () => {
    const handler = new RecordingHandler({ start: () => handler.controller.abort(new Error('enough')) });
    forward(handler);
    expect(handler.told).toEqual(['start', 'error enough']);
  });

  it('in the turn of the head gets no head', async () => {
    const handler = new RecordingHandler();
    const { head, asked } = forward(handler);
    const headed = head();
    handler.controller.abort(new Error('enough'));
    await headed;
    expect(handler.told).toEqual(['start', 'error enough']);
    expect(asked).toEqual(['abort']);
  });

  it.each(['head', 'data'] as const)('within %s gets nothing but the error', async (when) => {
    const handler = new RecordingHandler({ [when]: () => handler.controller.abort(new Error('enough')) });
    const { head, push, asked } = forward(handler);
    push('a');
    push('b');
    await head();
    expect(handler.told).toEqual(['start', 'head 200', ...(when === 'data' ? ['data a'] : []), 'error enough']);
    expect(asked).toEqual(['abort']);
  });

  it('without a reason gets INMESH_ABORTED', async () => {
    const handler = new RecordingHandler();
    forward(handler);
    handler.controller.abort(undefined as unknown as Error);
    await handler.done;
    expect(isMeshError(handler.error, 'INMESH_ABORTED')).toBe(true);
  });

  it('after the end changes nothing', async () => {
    const handler = new RecordingHandler();
    const { head, reply } = forward(handler);
    reply.body.finish();
    await head();
    handler.controller.abort(new Error('late'));
    expect(handler.told).toEqual(['start', 'head 200', 'end']);
    expect(handler.controller.aborted).toBe(false);
  });
});

describe('a handler that throws', () => {
  const thrown = () => {
    throw new Error('thrown');
  };

  it.each([
    ['start', ['start', 'error thrown']],
    ['head', ['start', 'head 200', 'error thrown']],
    ['data', ['start', 'head 200', 'data a', 'error thrown']],
    ['end', ['start', 'head 200', 'data a', 'data b', 'end', 'error thrown']],
  ] as const)('in %s is told its own error', async (when, told) => {
    const handler = new RecordingHandler({ [when]: thrown });
    const { head, push, reply } = forward(handler);
    await head();
    push('a');
    push('b');
    reply.body.finish();
    expect(handler.told).toEqual(told);
  });

  it('in onRequestUpgrade loses the connection and is told its own error', async () => {
    const { address } = await bench.raw((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      );
    });
    const mesh = await bench.mesh([address]);
    const handler = new RecordingHandler();
    let socket: Duplex | undefined;
    const upgrading = Object.assign(handler, {
      onRequestUpgrade: (_controller: unknown, _status: number, _headers: unknown, upgraded: Duplex) => {
        socket = upgraded;
        throw new Error('thrown');
      },
    });
    mesh.dispatcher.dispatch(
      { origin: 'http://reviews', path: '/', method: 'GET', upgrade: 'x' },
      upgrading as Dispatcher.DispatchHandler,
    );
    await handler.done;
    expect(handler.told).toEqual(['start', 'error thrown']);
    expect(socket?.destroyed).toBe(true);
  });

  it('a handler without onRequestUpgrade is refused the connection', async () => {
    const { address } = await bench.raw((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      );
    });
    const mesh = await bench.mesh([address]);
    const handler = new RecordingHandler();
    mesh.dispatcher.dispatch({ origin: 'http://reviews', path: '/', method: 'GET', upgrade: 'x' }, handler);
    await handler.done;
    expect(isMeshError(handler.error, 'INMESH_REQUEST')).toBe(true);
  });
});
