import { describe, expect, it } from 'vitest';
import { attemptTimeoutFilter } from '../../../src/resilience/deadline/attempt-timeout-filter.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeAttempt, fakeCall, untilCancelled } from '../fake-call.ts';
import { FakeReply } from '../fake-reply.ts';

describe('attemptTimeoutFilter', () => {
  it('ends an attempt without a head in time, and not its call', async () => {
    const clock = new VirtualClock();
    const attempt = fakeAttempt(fakeCall({ perTryTimeoutMs: 50 }));
    const result = attemptTimeoutFilter(clock).apply(attempt, (operation) => untilCancelled(operation));
    result.catch(() => {});
    await clock.advance(49);
    expect(attempt.cancelled).toBe(false);
    await clock.advance(1);
    await expect(result).rejects.toMatchObject({
      code: 'INMESH_ATTEMPT_TIMEOUT',
      endpoint: '127.0.0.1:8080',
      attempts: 1,
    });
    expect(attempt.call.cancelled).toBe(false);
  });

  it('leaves no timer after the head, and none after an error', async () => {
    const clock = new VirtualClock();
    const attempt = fakeAttempt(fakeCall({ perTryTimeoutMs: 50 }));
    const reply = new FakeReply(200, { streaming: true });
    expect(await attemptTimeoutFilter(clock).apply(attempt, async () => reply)).toBe(reply);
    expect(clock.pendingTimers).toBe(0);
    const failing = attemptTimeoutFilter(clock).apply(attempt, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(clock.pendingTimers).toBe(0);
  });

  it('sets no timer for attempts without a limit', async () => {
    const clock = new VirtualClock();
    void attemptTimeoutFilter(clock).apply(fakeAttempt(), (operation) => untilCancelled(operation));
    expect(clock.pendingTimers).toBe(0);
  });
});
