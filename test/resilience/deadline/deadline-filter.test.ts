import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/core/operation.ts';
import { failure } from '../../../src/core/outcome.ts';
import type { Reply } from '../../../src/core/reply.ts';
import { deadlineFilter } from '../../../src/resilience/deadline/deadline-filter.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { type FakeCallParts, fakeCall, untilCancelled } from '../fake-call.ts';
import { FakeReply } from '../fake-reply.ts';

/** Starts a call; `reply` is its head, at once, or it hangs. */
function start(parts: FakeCallParts, reply?: Reply) {
  const clock = new VirtualClock();
  const call = fakeCall(parts);
  const result = deadlineFilter(clock).apply(call, (operation) =>
    reply === undefined ? untilCancelled(operation) : Promise.resolve(reply),
  );
  result.catch(() => {});
  return { clock, call, result };
}

/** The code of the error with which `operation` was cancelled. */
function codeOf({ cancelReason }: Operation): string | undefined {
  return (cancelReason as { code?: string } | undefined)?.code;
}

const streaming = (headers: Reply['headers'] = {}, status = 200) => new FakeReply(status, { headers, streaming: true });

describe('deadlineFilter, before the head', () => {
  it('ends a call that is longer than its timeout', async () => {
    const { clock, call, result } = start({ timeoutMs: 250 });
    await clock.advance(249);
    expect(call.cancelled).toBe(false);
    await clock.advance(1);
    await expect(result).rejects.toMatchObject({ code: 'INMESH_TIMEOUT', service: 'reviews' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('says when it was the deadline of the inbound request', async () => {
    const { clock, result } = start({ timeoutMs: 250, inheritedDeadline: 100 });
    await clock.advance(100);
    await expect(result).rejects.toMatchObject({ code: 'INMESH_DEADLINE' });
    const own = start({ timeoutMs: 250, inheritedDeadline: 300 });
    await own.clock.advance(250);
    await expect(own.result).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
  });

  it('lets a body go on when the inbound request has been answered', async () => {
    const inbound = { answered: false };
    const { clock, call, result } = start({ timeoutMs: 250, inheritedDeadline: 100 }, streaming());
    call.inheritance = inbound;
    await result;
    inbound.answered = true;
    await clock.advance(249);
    expect(call.cancelled).toBe(false);
    await clock.advance(1);
    expect(codeOf(call)).toBe('INMESH_TIMEOUT');
  });

  it('ends a call without a head in time', async () => {
    const { clock, call, result } = start({ headTimeoutMs: 100, timeoutMs: 250 });
    await clock.advance(99);
    expect(call.cancelled).toBe(false);
    await clock.advance(1);
    await expect(result).rejects.toMatchObject({ code: 'INMESH_HEAD_TIMEOUT' });
  });

  it('waits fifteen seconds for a head by default, and for ever when told so', async () => {
    const { clock, call } = start({});
    await clock.advance(15_000);
    expect(codeOf(call)).toBe('INMESH_HEAD_TIMEOUT');
    expect(start({ headTimeoutMs: false }).clock.pendingTimers).toBe(0);
  });

  it('does not send a call that comes too late', async () => {
    const clock = new VirtualClock();
    const call = fakeCall({ inheritedDeadline: 0.5 });
    let sent = false;
    const result = deadlineFilter(clock).apply(call, async () => {
      sent = true;
      return new FakeReply(200);
    });
    await expect(result).rejects.toMatchObject({ code: 'INMESH_DEADLINE' });
    expect([sent, call.cancelled]).toEqual([false, true]);
  });

  it('gives a call more time when its deadline is lifted', async () => {
    const { clock, call } = start({ inheritedDeadline: 100 });
    call.deadline = 400;
    await clock.advance(399);
    expect(call.cancelled).toBe(false);
    await clock.advance(1);
    expect(call.cancelled).toBe(true);
  });

  it('leaves no timer after an error', async () => {
    const clock = new VirtualClock();
    const error = new Error('no');
    await expect(deadlineFilter(clock).apply(fakeCall(), () => Promise.reject(error))).rejects.toBe(error);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('deadlineFilter, after the head', () => {
  it('leaves no timer when the body is there', async () => {
    const reply = new FakeReply(200);
    const { clock, result } = start({ timeoutMs: 250 }, reply);
    expect(await result).toBe(reply);
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends a call whose body is longer than the timeout', async () => {
    const reply = streaming();
    const { clock, call, result } = start({ timeoutMs: 250 }, reply);
    await result;
    await clock.advance(250);
    expect(codeOf(call)).toBe('INMESH_TIMEOUT');
  });

  it('forgets the head timeout', async () => {
    const { clock, call, result } = start({ headTimeoutMs: 50 }, streaming());
    await result;
    await clock.advance(1_000);
    expect(call.cancelled).toBe(false);
  });

  it('leaves no timer when the body has ended, well or badly', async () => {
    for (const final of [undefined, failure('reset')]) {
      const reply = streaming();
      const { clock, result } = start({ timeoutMs: 250 }, reply);
      await result;
      expect(clock.pendingTimers).toBe(1);
      reply.end(final);
      expect(clock.pendingTimers).toBe(0);
    }
  });

  it('sets no timer when the body failed together with the head', async () => {
    const reply = streaming();
    reply.end(failure('reset'));
    const { clock, result } = start({ timeoutMs: 250 }, reply);
    await result;
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends a call whose body falls silent, after 1 to 1.25 of bodyIdleMs', async () => {
    const reply = streaming();
    const { clock, call, result } = start({ bodyIdleMs: 1_000 }, reply);
    await result;
    await clock.advance(601);
    reply.bytesReceived = 1;
    await clock.advance(999);
    expect(call.cancelled).toBe(false);
    await clock.advance(251);
    expect(codeOf(call)).toBe('INMESH_BODY_IDLE');
    expect(clock.pendingTimers).toBe(0);
  });

  it('leaves a body alone that goes on, however slowly', async () => {
    const reply = streaming();
    const { clock, call, result } = start({ bodyIdleMs: 1_000 }, reply);
    await result;
    for (let chunk = 0; chunk < 20; chunk++) {
      await clock.advance(990);
      reply.bytesReceived++;
    }
    expect(call.cancelled).toBe(false);
  });

  it('has patience of thirty seconds by default, and none to lose when told so', async () => {
    const { clock, call, result } = start({}, streaming());
    await result;
    await clock.advance(30_000);
    expect(codeOf(call)).toBe('INMESH_BODY_IDLE');
    const patient = start({ bodyIdleMs: false }, streaming());
    await patient.result;
    expect(patient.clock.pendingTimers).toBe(0);
  });

  it('lets event streams and upgraded connections be silent, unless a limit was set for them', async () => {
    const events = { 'content-type': 'Text/Event-Stream; charset=utf-8' };
    for (const [parts, reply] of [
      [{}, streaming(events)],
      [{}, streaming({}, 101)],
      [{ method: 'CONNECT' }, streaming()],
    ] as const) {
      const { clock, call, result } = start(parts, reply);
      await result;
      await clock.advance(3_600_000);
      expect(call.cancelled).toBe(false);
      expect(clock.pendingTimers).toBe(0);
    }
    const limited = start({ bodyIdleMs: 5_000 }, streaming(events));
    await limited.result;
    await limited.clock.advance(5_000);
    expect(codeOf(limited.call)).toBe('INMESH_BODY_IDLE');
  });
});
