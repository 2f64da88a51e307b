import { ConstantBackoff } from 'cockatiel';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Call, Sent } from '../../../src/core/call.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { events } from '../../../src/core/events.ts';
import type { Member } from '../../../src/core/member.ts';
import type { Reply } from '../../../src/core/reply.ts';
import { RetryBudget } from '../../../src/resilience/retry/retry-budget.ts';
import { type RetryFilterOptions, retryFilter } from '../../../src/resilience/retry/retry-filter.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeMembers } from '../../balancing/fake-member.ts';
import { fakeBody, fakeCall, untilCancelled } from '../fake-call.ts';
import { FakeReply } from '../fake-reply.ts';

type Step = Reply | Error | 'hang';

/** A cluster that ends its attempts as told, at members that take turns; the last step is repeated. */
class Script {
  readonly clock = new VirtualClock();
  readonly sentAt: number[] = [];
  readonly members: Member[];
  private readonly steps: readonly Step[];
  private readonly sent: Sent;

  constructor(steps: readonly Step[], sent: Sent = 'maybe', members = 3) {
    this.steps = steps;
    this.sent = sent;
    this.members = fakeMembers(members);
  }

  run(call: Call, overrides: Partial<RetryFilterOptions> = {}): Promise<Reply> {
    const filter = retryFilter({
      clock: this.clock,
      random: { next: () => 0.5 },
      budget: new RetryBudget(),
      ...overrides,
    });
    return filter.apply(call, (operation) => this.attempt(operation));
  }

  private attempt(call: Call): Promise<Reply> {
    const index = this.sentAt.push(this.clock.now()) - 1;
    const step = this.steps[Math.min(index, this.steps.length - 1)] as Step;
    call.lastMember = this.members[index % this.members.length];
    call.lastSent = this.sent;
    if (step === 'hang') return untilCancelled(call);
    return step instanceof Error ? Promise.reject(step) : Promise.resolve(step);
  }
}

const reset = new MeshError('INMESH_RESET', 'reviews: broken');
const noConnection = new MeshError('INMESH_CONNECT', 'reviews: no connection');

/** Runs to the end, however long that takes. */
async function finish<T>(script: Script, promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  await script.clock.advance(60_000);
  expect(script.clock.pendingTimers).toBe(0);
  return promise;
}

describe('retryFilter', () => {
  it('leaves a good reply alone', async () => {
    const good = new FakeReply(200);
    const script = new Script([good]);
    expect(await script.run(fakeCall())).toBe(good);
    expect(good.dumps).toBe(0);
  });

  it('repeats a failed attempt after its backoff, and avoids the member that failed', async () => {
    const [bad, good] = [new FakeReply(503), new FakeReply(200)];
    const script = new Script([bad, good]);
    const call = fakeCall();
    expect(await finish(script, script.run(call))).toBe(good);
    expect(script.sentAt).toEqual([0, 12.5]);
    expect([...call.tried]).toEqual([script.members[0]]);
    expect(bad.dumps).toBe(1);
    expect(call.listenerCount).toBe(0);
  });

  it('repeats an attempt without a reply', async () => {
    const good = new FakeReply(200);
    const script = new Script([reset, good]);
    expect(await finish(script, script.run(fakeCall()))).toBe(good);
  });

  it('hands on the last reply, untouched, when the retries are used up', async () => {
    const replies = [new FakeReply(503), new FakeReply(500), new FakeReply(504)] as const;
    const script = new Script(replies);
    expect(await finish(script, script.run(fakeCall()))).toBe(replies[2]);
    expect(replies.map(({ dumps }) => dumps)).toEqual([1, 1, 0]);
    expect(script.sentAt).toEqual([0, 12.5, 50]);
  });

  it('hands on the last error, even if there was a reply before', async () => {
    const script = new Script([new FakeReply(503), reset]);
    await expect(finish(script, script.run(fakeCall()))).rejects.toBe(reset);
  });

  it('makes no retry when none is wanted', async () => {
    const script = new Script([reset]);
    await expect(finish(script, script.run(fakeCall({ retries: false })))).rejects.toBe(reset);
    expect(script.sentAt).toHaveLength(1);
  });

  it('does not repeat what may harm', async () => {
    const script = new Script([reset]);
    await expect(finish(script, script.run(fakeCall({ method: 'POST' })))).rejects.toBe(reset);
    expect(script.sentAt).toHaveLength(1);
  });

  it('does not repeat a request whose body is gone', async () => {
    const bad = new FakeReply(503);
    const script = new Script([bad]);
    expect(await finish(script, script.run(fakeCall({ body: fakeBody(false) })))).toBe(bad);
    expect(script.sentAt).toHaveLength(1);
    const again = new Script([bad]);
    await finish(again, again.run(fakeCall({ body: fakeBody(true) })));
    expect(again.sentAt).toHaveLength(3);
  });

  it('hands on the failure when the budget is spent', async () => {
    const bad = new FakeReply(503);
    const script = new Script([bad]);
    const budget = new RetryBudget({ percent: 0, minRetriesPerSecond: 1 });
    let exhausted = 0;
    expect(await finish(script, script.run(fakeCall(), { budget, onBudgetExhausted: () => exhausted++ }))).toBe(bad);
    expect(script.sentAt).toHaveLength(2);
    expect(exhausted).toBe(1);
  });

  it('counts each call once into the budget', async () => {
    const budget = new RetryBudget({ percent: 100, minRetriesPerSecond: 0 });
    const script = new Script([new FakeReply(503)]);
    await finish(script, script.run(fakeCall(), { budget }));
    expect(script.sentAt).toHaveLength(2);
  });

  it('asks whether retries are suppressed before each of them', async () => {
    const script = new Script([new FakeReply(503)]);
    let asked = 0;
    await finish(script, script.run(fakeCall(), { suppressed: () => ++asked === 2 }));
    expect(script.sentAt).toHaveLength(2);
  });

  it('does not spend the budget on a retry for which no time is left', async () => {
    const bad = new FakeReply(503);
    const script = new Script([bad]);
    const budget = new RetryBudget({ percent: 0, minRetriesPerSecond: 1 });
    expect(await finish(script, script.run(fakeCall({ timeoutMs: 13 }), { budget }))).toBe(bad);
    expect(script.sentAt).toHaveLength(1);
    expect(bad.dumps).toBe(0);
    expect(budget.tryWithdraw(script.clock.now())).toBe(true);
  });

  it('waits as long as the server asks', async () => {
    const script = new Script([new FakeReply(503, { headers: { 'retry-after': '2' } }), new FakeReply(200)]);
    await finish(script, script.run(fakeCall()));
    expect(script.sentAt).toEqual([0, 2_000]);
  });

  it('hands on the reply when the server asks for more time than there is', async () => {
    const bad = new FakeReply(503, { headers: { 'retry-after': '2' } });
    const script = new Script([bad]);
    expect(await script.run(fakeCall({ timeoutMs: 1_500 }))).toBe(bad);
    const late = new Script([bad]);
    expect(await late.run(fakeCall({ headTimeoutMs: 1_500 }))).toBe(bad);
  });

  it('takes the backoff of the call', async () => {
    const script = new Script([new FakeReply(503), new FakeReply(200)]);
    await finish(script, script.run(fakeCall({ retries: { backoff: new ConstantBackoff(300) } })));
    expect(script.sentAt).toEqual([0, 300]);
  });

  it('ends at once with the reason when the call is cancelled during the backoff', async () => {
    const script = new Script([new FakeReply(503, { headers: { 'retry-after': '5' } })]);
    const call = fakeCall();
    const result = script.run(call);
    result.catch(() => {});
    await script.clock.advance(1_000);
    const reason = new Error('enough');
    call.cancel(reason);
    await expect(result).rejects.toBe(reason);
    expect(script.clock.pendingTimers).toBe(0);
    expect(script.sentAt).toHaveLength(1);
  });

  it('does not repeat a call that was cancelled during an attempt', async () => {
    const script = new Script(['hang']);
    const call = fakeCall();
    let retries = 0;
    const result = script.run(call, { onRetry: () => retries++ });
    call.cancel(new MeshError('INMESH_TIMEOUT', 'reviews: too long'));
    await expect(finish(script, result)).rejects.toMatchObject({ code: 'INMESH_TIMEOUT' });
    expect(script.sentAt).toHaveLength(1);
    expect(retries).toBe(0);
  });

  it('breaks off a discarded body that does not end', async () => {
    const stalled = new FakeReply(503, { streaming: true });
    const script = new Script([stalled, new FakeReply(200)]);
    const ended: number[] = [];
    stalled.onEnd(() => ended.push(script.clock.now()));
    await finish(script, script.run(fakeCall()));
    expect(ended).toEqual([1_000]);
  });

  it('survives a discarded body that fails', async () => {
    const script = new Script([
      new FakeReply(503, { dump: () => Promise.reject(new Error('broken')) }),
      new FakeReply(200),
    ]);
    expect((await finish(script, script.run(fakeCall()))).status).toBe(200);
  });

  it('tells of each retry', async () => {
    const messages: unknown[] = [];
    const listener = (message: unknown) => void messages.push(message);
    events.retry.subscribe(listener);
    onTestFinished(() => events.retry.unsubscribe(listener));
    const script = new Script([reset, new FakeReply(503), new FakeReply(200)]);
    const call = fakeCall();
    const reasons: string[] = [];
    await finish(script, script.run(call, { onRetry: (_, reason) => reasons.push(reason) }));
    expect(reasons).toEqual(['reset', '503']);
    expect(messages).toEqual([
      { service: 'reviews', call, reason: 'reset', delayMs: 12.5 },
      { service: 'reviews', call, reason: '503', delayMs: 37.5 },
    ]);
  });
});

describe('retryFilter, when a member cannot be reached', () => {
  it('asks another one at once, for free, whatever the method and the options', async () => {
    const good = new FakeReply(200);
    const script = new Script([noConnection, good], 'none');
    const budget = new RetryBudget({ percent: 0, minRetriesPerSecond: 0 });
    expect(await script.run(fakeCall({ method: 'POST', retries: 0 }), { budget })).toBe(good);
    expect(script.sentAt).toEqual([0, 0]);
  });

  it('does so three times, then counts it as a failure', async () => {
    const script = new Script([noConnection], 'none', 10);
    await expect(finish(script, script.run(fakeCall()))).rejects.toBe(noConnection);
    expect(script.sentAt).toEqual([0, 0, 0, 0, 12.5, 50]);
  });

  it('does not do so when no time is left', async () => {
    const script = new Script([noConnection], 'none');
    await expect(finish(script, script.run(fakeCall({ inheritedDeadline: 0.5 })))).rejects.toBe(noConnection);
    expect(script.sentAt).toHaveLength(1);
  });

  it('does not try the only member again for free', async () => {
    const script = new Script([noConnection], 'none', 1);
    const call = fakeCall({ retries: false });
    await expect(finish(script, script.run(call, { hasOther: () => false }))).rejects.toBe(noConnection);
    expect(script.sentAt).toEqual([0]);
  });

  it('does not come back for free to a member it has tried', async () => {
    const script = new Script([noConnection], 'none', 1);
    await expect(finish(script, script.run(fakeCall({ retries: 0 })))).rejects.toBe(noConnection);
    expect(script.sentAt).toHaveLength(2);
  });

  it('hands on what the service said last when the next attempt finds no place', async () => {
    const overflow = new MeshError('INMESH_OVERFLOW', 'reviews: full');
    const bad = new FakeReply(503);
    const afterReply = new Script([bad, overflow]);
    expect(await finish(afterReply, afterReply.run(fakeCall()))).toBe(bad);
    const afterError = new Script([reset, overflow]);
    await expect(finish(afterError, afterError.run(fakeCall()))).rejects.toBe(reset);
  });

  it('does not do so for errors that another member would give too', async () => {
    const overflow = new MeshError('INMESH_OVERFLOW', 'reviews: full');
    const script = new Script([overflow], 'none');
    await expect(finish(script, script.run(fakeCall()))).rejects.toBe(overflow);
    expect(script.sentAt).toHaveLength(1);
  });
});
