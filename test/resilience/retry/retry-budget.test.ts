import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../../src/resilience/retry/retry-budget.ts';

function withdrawAll(budget: RetryBudget, now: number, tries: number): number {
  let granted = 0;
  for (let index = 0; index < tries; index++) if (budget.tryWithdraw(now)) granted++;
  return granted;
}

describe('RetryBudget', () => {
  it('allows the minimum when there are few calls', () => {
    expect(withdrawAll(new RetryBudget({ percent: 20, minRetriesPerSecond: 10 }), 5_000, 50)).toBe(10);
  });

  it('allows the share of the calls when there are many', () => {
    const budget = new RetryBudget({ percent: 20, minRetriesPerSecond: 10 });
    for (let call = 0; call < 1_000; call++) budget.deposit(call / 2);
    expect(withdrawAll(budget, 500, 1_000)).toBe(200);
  });

  it('banks nothing: the calls of the second before do not count', () => {
    const budget = new RetryBudget({ percent: 20, minRetriesPerSecond: 1 });
    for (let call = 0; call < 10_000; call++) budget.deposit(call / 10);
    expect(withdrawAll(budget, 2_100, 100)).toBe(1);
  });

  it('has room again a second later, and after any silence', () => {
    const budget = new RetryBudget({ percent: 0, minRetriesPerSecond: 3 });
    expect(withdrawAll(budget, 10, 10)).toBe(3);
    expect(withdrawAll(budget, 900, 10)).toBe(0);
    expect(withdrawAll(budget, 1_060, 10)).toBe(3);
    expect(withdrawAll(budget, 1e9, 10)).toBe(3);
  });

  it('allows nothing when both are 0', () => {
    const budget = new RetryBudget({ percent: 0, minRetriesPerSecond: 0 });
    budget.deposit(1);
    expect(budget.tryWithdraw(1)).toBe(false);
  });

  it('adds a fifth to the load when every call fails', () => {
    const budget = new RetryBudget();
    let retries = 0;
    for (let now = 0; now < 10_000; now += 2) {
      budget.deposit(now);
      retries += withdrawAll(budget, now, 3);
    }
    expect(retries / 5_000).toBeLessThanOrEqual(0.2);
    expect(retries / 5_000).toBeGreaterThan(0.17);
  });

  it('leaves to others what somebody does without, and never the minimum', () => {
    const budget = new RetryBudget({ percent: 10, minRetriesPerSecond: 2 });
    for (let call = 0; call < 100; call++) budget.deposit(0);
    const taken: number[] = [];
    while (budget.hasRoom(0, 0.5) && budget.tryWithdraw(0)) taken.push(0);
    expect(taken).toHaveLength(5);
    expect([budget.hasRoom(0, 0.5), budget.hasRoom(0)]).toEqual([false, true]);
    const small = new RetryBudget({ percent: 10, minRetriesPerSecond: 2 });
    expect(small.tryWithdraw(0)).toBe(true);
    expect(small.hasRoom(0, 0.1)).toBe(true);
  });

  it('names an option that is out of range', () => {
    expect(() => new RetryBudget({ percent: 101, minRetriesPerSecond: 1 })).toThrow(/retryBudget\.percent is 101/);
    expect(() => new RetryBudget({ percent: 1, minRetriesPerSecond: -1 })).toThrow(/minRetriesPerSecond is -1/);
  });

  it('keeps every second within the budget, and refuses only within a slot of its edge', () => {
    // Pauses at the edges of slots and of the second find more than even ones.
    const pauseMs = fc.oneof(
      fc.double({ min: 0, max: 400, noNaN: true }),
      fc.constantFrom(0, 1, 49, 50, 51, 930, 960, 999, 1_000, 1_020, 1_049),
    );
    const step = fc.record({ pauseMs, calls: fc.nat(30), tries: fc.nat(12) });
    const options = fc.record({ percent: fc.integer({ min: 0, max: 100 }), minRetriesPerSecond: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), options, (steps, limits) => {
        const budget = new RetryBudget(limits);
        const calls: number[] = [];
        const retries: number[] = [];
        const within = (instants: number[], now: number, ms: number) => instants.filter((at) => at > now - ms).length;
        const allowed = (now: number, ms: number) =>
          Math.max(limits.minRetriesPerSecond, (within(calls, now, ms) * limits.percent) / 100);
        let now = 0;
        for (const { pauseMs, calls: count, tries } of steps) {
          now += pauseMs;
          for (let call = 0; call < count; call++) {
            budget.deposit(now);
            calls.push(now);
          }
          for (let retry = 0; retry < tries; retry++) {
            if (budget.tryWithdraw(now)) {
              retries.push(now);
              expect(within(retries, now, 1_000)).toBeLessThanOrEqual(allowed(now, 1_000) + 1e-9);
            } else {
              expect(within(retries, now, 1_050) + 1).toBeGreaterThan(allowed(now, 950) - 1e-9);
            }
          }
        }
      }),
    );
  });
});
