import { describe, expect, it } from 'vitest';
import {
  type CallFacts,
  callsThatDoNotEnd,
  callsThatDoNotSettleOnce,
  callsThatSettleLate,
  ejectionsBeyondBounds,
  type ReceivedRequest,
  retriesBeyondBudget,
  unsafeRepeats,
  VirtualClock,
} from '../../src/testing/index.ts';
import { SimulatedCall } from '../../src/testing/simulation-record.ts';

const clock = new VirtualClock();

function call(facts: Partial<CallFacts> = {}): SimulatedCall {
  return new SimulatedCall(
    { host: 'reviews', method: 'GET', idempotent: true, timeoutMs: 100, ...facts },
    '1.1',
    clock,
  );
}

function received(parts: Partial<ReceivedRequest> = {}): ReceivedRequest {
  const request = { at: 0, service: 'reviews', endpoint: 'a:1', method: 'POST', path: '/', key: '1.1', attempt: 1 };
  return { ...request, processed: true, ...parts };
}

/** Announcements at these instants, each of a call of its own. */
function at(...instants: number[]) {
  return instants.map((instant, index) => ({ at: instant, service: 'reviews', key: `1.${index + 1}` }));
}

describe('the checkers', () => {
  it('find calls that settle never or twice, and bodies that do', () => {
    const [good, never, twice, unread] = [call(), call(), call(), call()];
    good.head(200);
    twice.head(200);
    twice.fail(new Error('late'));
    unread.head(200);
    unread.reading = true;
    expect(callsThatDoNotSettleOnce([good])).toEqual([]);
    expect(callsThatDoNotSettleOnce([never, twice, unread])).toEqual([
      expect.stringContaining('settled 0 times'),
      expect.stringContaining('settled 2 times'),
      expect.stringContaining('its body ended 0 times'),
    ]);
  });

  it('find what comes after a deadline or after the caller gave up', () => {
    const [inTime, late, lateHead, abandoned, lateBody] = [call(), call(), call(), call(), call()];
    inTime.settledAt.push(101);
    late.settledAt.push(102);
    lateHead.headDeadline = 10;
    lateHead.settledAt.push(12);
    abandoned.abort();
    abandoned.settledAt.push(5);
    lateBody.readAt.push(150);
    expect(callsThatSettleLate([inTime])).toEqual([]);
    expect(callsThatSettleLate([late, lateHead, abandoned, lateBody]).length).toBe(4);
  });

  it('find calls that the mesh began and did not end', () => {
    const record = { starts: at(0, 0), ends: at(0) } as never;
    expect(callsThatDoNotEnd(record)).toEqual(['call 1.2: 1 more starts than ends']);
  });

  it('find a retry beyond the budget of its second, and a repeat that is no retry', () => {
    const calls = Array.from({ length: 100 }, (_, index) => index * 10);
    const budget = () => ({ percent: 20, minRetriesPerSecond: 10 });
    const retries = (count: number) => at(...calls.slice(-count));
    expect(retriesBeyondBudget({ starts: at(...calls), retries: retries(20) }, [], budget)).toEqual([]);
    expect(retriesBeyondBudget({ starts: at(...calls), retries: retries(21) }, [], budget)).not.toEqual([]);
    expect(retriesBeyondBudget({ starts: at(0), retries: at(...calls.slice(0, 11)) }, []).length).toBe(1);
    const once = { starts: at(0), retries: [] };
    expect(retriesBeyondBudget(once, [received()])).toEqual([]);
    expect(retriesBeyondBudget(once, [received(), received()]).length).toBe(1);
  });

  it('find a request that was processed twice and must not be', () => {
    const post = call({ method: 'POST', idempotent: false });
    expect(unsafeRepeats([post], [received({ processed: false }), received()])).toEqual([]);
    expect(unsafeRepeats([call()], [received(), received()])).toEqual([]);
    expect(unsafeRepeats([post], [received(), received()]).length).toBe(1);
  });

  it.each([
    [1, 50, 0],
    [4, 0, 0],
    [4, 10, 1],
    [4, 50, 2],
    [4, 100, 3],
  ])('allow of %i endpoints and %i percent at most %i ejections', (endpoints, maxEjectionPercent, allowed) => {
    const sample = (ejected: number) => [{ at: 0, service: 'reviews', endpoints, ejected, maxEjectionPercent }];
    expect(ejectionsBeyondBounds(sample(allowed))).toEqual([]);
    expect(ejectionsBeyondBounds(sample(allowed + 1)).length).toBe(1);
  });
});
