import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { cancelBySignal } from '../../src/adapters/cancel-by-signal.ts';
import { success } from '../../src/core/outcome.ts';
import type { Reply } from '../../src/core/reply.ts';
import { IncomingReply } from '../../src/http/incoming-reply.ts';
import { fakeBody, fakeCall, untilCancelled } from '../resilience/fake-call.ts';

function streaming(): IncomingReply {
  return new IncomingReply(200, '', {}, [], success, { pause() {}, resume() {}, abort() {} });
}

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

describe('cancelBySignal', () => {
  it('cancels the call with the reason of the signal', async () => {
    const controller = new AbortController();
    const call = fakeCall();
    const running = cancelBySignal(call, controller.signal, () => untilCancelled<Reply>(call));
    controller.abort('enough');
    await expect(running).rejects.toBe('enough');
    expect(call.cancelReason).toBe('enough');
    expect(listeners(controller.signal)).toBe(0);
  });

  it('does not start a call whose signal is aborted, and lets go of its body', async () => {
    const discarded: unknown[] = [];
    const call = fakeCall({ body: { ...fakeBody(true), discard: (reason) => void discarded.push(reason) } });
    const run = () => expect.unreachable('it was started');
    await expect(cancelBySignal(call, AbortSignal.abort('enough'), run)).rejects.toBe('enough');
    expect(discarded).toEqual(['enough']);
  });

  it('listens until the body has ended, and not longer', async () => {
    const { signal } = new AbortController();
    const reply = streaming();
    await cancelBySignal(fakeCall(), signal, async () => reply);
    expect(listeners(signal)).toBe(1);
    reply.body.finish();
    expect(listeners(signal)).toBe(0);
  });

  it('stops listening when the call fails', async () => {
    const { signal } = new AbortController();
    await expect(cancelBySignal(fakeCall(), signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(listeners(signal)).toBe(0);
  });

  it('leaves nothing behind on a signal that outlives a thousand calls', async () => {
    const { signal } = new AbortController();
    for (let round = 0; round < 1_000; round++) {
      const reply = streaming();
      await cancelBySignal(fakeCall(), signal, async () => reply);
      if (round % 2 === 0) reply.body.finish();
      else reply.body.destroy();
    }
    expect(listeners(signal)).toBe(0);
  });
});
