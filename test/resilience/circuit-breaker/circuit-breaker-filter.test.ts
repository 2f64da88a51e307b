import { ConsecutiveBreaker } from 'cockatiel';
import { describe, expect, it } from 'vitest';
import type { Call } from '../../../src/core/call.ts';
import { MeshError } from '../../../src/core/errors.ts';
import type { Operation } from '../../../src/core/operation.ts';
import { success } from '../../../src/core/outcome.ts';
import type { Reply } from '../../../src/core/reply.ts';
import { CircuitBreaker } from '../../../src/resilience/circuit-breaker/circuit-breaker.ts';
import { circuitBreakerFilter } from '../../../src/resilience/circuit-breaker/circuit-breaker-filter.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeCall, fakeCommand, untilCancelled } from '../fake-call.ts';
import { FakeReply } from '../fake-reply.ts';

/** A breaker that opens at the first failure. */
function setUp() {
  const clock = new VirtualClock();
  const breaker = new CircuitBreaker({ service: 'reviews', openMs: 5_000, breaker: new ConsecutiveBreaker(1) });
  const calls = circuitBreakerFilter<Call, Reply>({ clock, breaker, outcomeOf: (reply) => reply.outcome });
  const commands = circuitBreakerFilter<Operation, string>({ clock, breaker, outcomeOf: () => success });
  return { clock, breaker, calls, commands };
}

describe('circuitBreakerFilter', () => {
  it('hands on good and bad replies, and opens by the bad ones', async () => {
    const { breaker, calls } = setUp();
    const [good, bad] = [new FakeReply(200), new FakeReply(500)];
    expect(await calls.apply(fakeCall(), async () => good)).toBe(good);
    expect(breaker.state).toBe('closed');
    expect(await calls.apply(fakeCall(), async () => bad)).toBe(bad);
    expect(breaker.state).toBe('open');
  });

  it('refuses calls while it is open, without sending them', async () => {
    const { calls } = setUp();
    await calls.apply(fakeCall(), async () => new FakeReply(500));
    let sent = false;
    const refusal = calls.apply(fakeCall(), async () => {
      sent = true;
      return new FakeReply(200);
    });
    await expect(refusal).rejects.toMatchObject({ code: 'INMESH_CIRCUIT_OPEN', service: 'reviews' });
    expect(sent).toBe(false);
  });

  it('closes again by a good probe', async () => {
    const { clock, breaker, calls } = setUp();
    await calls.apply(fakeCall(), async () => new FakeReply(500));
    await clock.advance(5_000);
    await calls.apply(fakeCall(), async () => new FakeReply(200));
    expect(breaker.state).toBe('closed');
  });

  it('takes a deadline for a failure', async () => {
    const { breaker, calls } = setUp();
    const call = fakeCall();
    const result = calls.apply(call, (operation) => untilCancelled(operation));
    call.cancel(new MeshError('INMESH_DEADLINE', 'reviews: too late'));
    await expect(result).rejects.toMatchObject({ code: 'INMESH_DEADLINE' });
    expect(breaker.state).toBe('open');
  });

  it('does not count callers who give up, even when they probe', async () => {
    const { clock, breaker, calls } = setUp();
    for (const reason of [new MeshError('INMESH_ABORTED', 'aborted'), new Error('enough')]) {
      const call = fakeCall();
      const result = calls.apply(call, (operation) => untilCancelled(operation));
      call.cancel(reason);
      await expect(result).rejects.toBe(reason);
    }
    expect(breaker.state).toBe('closed');
    await calls.apply(fakeCall(), async () => new FakeReply(500));
    await clock.advance(5_000);
    const probe = fakeCall();
    const result = calls.apply(probe, (operation) => untilCancelled(operation));
    probe.cancel(new Error('enough'));
    await result.catch(() => {});
    await calls.apply(fakeCall(), async () => new FakeReply(200));
    expect(breaker.state).toBe('closed');
  });

  it('does not count errors that say nothing about the service', async () => {
    const { breaker, calls } = setUp();
    const invalid = new MeshError('INMESH_REQUEST', 'not valid');
    await expect(calls.apply(fakeCall(), () => Promise.reject(invalid))).rejects.toBe(invalid);
    expect(breaker.state).toBe('closed');
  });

  it('takes any error of a command for a failure', async () => {
    const { breaker, commands } = setUp();
    expect(await commands.apply(fakeCommand(), async () => 'charged')).toBe('charged');
    await expect(commands.apply(fakeCommand(), () => Promise.reject(new TypeError('no')))).rejects.toThrow('no');
    expect(breaker.state).toBe('open');
  });
});
