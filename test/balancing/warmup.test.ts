import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import { pickers } from '../../src/balancing/pickers.ts';
import { Warmup, type WarmupOptions } from '../../src/balancing/warmup.ts';
import type { Member } from '../../src/core/member.ts';
import { seededRandom } from '../../src/core/random.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { fakeMembers } from './fake-member.ts';

function setUp(options: Partial<WarmupOptions> = {}) {
  const clock = new VirtualClock();
  const state = { steps: 0 };
  const warmup = new Warmup({
    clock,
    options: { durationMs: 10_000, minimumPercent: 10, aggression: 1, ...options },
    onStep: () => {
      state.steps++;
    },
  });
  return { clock, warmup, state, member: { warmth: 1 } };
}

describe('Warmup', () => {
  it('begins with the minimum and grows evenly to the whole weight, by a timer that runs only until then', async () => {
    const { clock, warmup, member, state } = setUp();
    expect(clock.pendingTimers).toBe(0);
    warmup.begin(member);
    expect(member.warmth).toBe(0.1);
    expect(clock.pendingBackgroundTimers).toBe(1);
    await clock.advance(5_000);
    expect(member.warmth).toBeCloseTo(0.5, 5);
    await clock.advance(4_500);
    expect(member.warmth).toBeCloseTo(0.95, 5);
    await clock.advance(500);
    expect([member.warmth, state.steps, clock.pendingTimers]).toEqual([1, 20, 0]);
  });

  it('is faster at the beginning with more aggression', async () => {
    const { clock, warmup, member } = setUp({ aggression: 2 });
    warmup.begin(member);
    await clock.advance(2_500);
    expect(member.warmth).toBeCloseTo(0.5, 5);
  });

  it('starts anew for a member that is back', async () => {
    const { clock, warmup, member } = setUp();
    warmup.begin(member);
    await clock.advance(5_000);
    warmup.end(member);
    expect([member.warmth, clock.pendingTimers]).toEqual([1, 0]);
    warmup.begin(member);
    expect(member.warmth).toBe(0.1);
  });

  it('goes on under other options, and ends when it is closed', async () => {
    const { clock, warmup, member } = setUp();
    warmup.begin(member);
    await clock.advance(5_000);
    warmup.configure({ durationMs: 20_000, minimumPercent: 10, aggression: 1 });
    expect(member.warmth).toBeCloseTo(0.25, 5);
    await clock.advance(1_000);
    expect(member.warmth).toBeCloseTo(0.3, 5);
    warmup.close();
    expect([member.warmth, clock.pendingTimers]).toEqual([1, 0]);
  });

  it('never shrinks, and is above 0 and at most 1', async () => {
    const options = fc.record({
      durationMs: fc.integer({ min: 1, max: 100_000 }),
      minimumPercent: fc.integer({ min: 0, max: 100 }),
      aggression: fc.double({ min: 0.1, max: 10, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(options, async (own) => {
        const { clock, warmup, member } = setUp(own);
        warmup.begin(member);
        for (let step = 0, before = 0; step < 25; step++) {
          expect(member.warmth).toBeGreaterThan(0);
          expect(member.warmth).toBeGreaterThanOrEqual(before);
          expect(member.warmth).toBeLessThanOrEqual(1);
          before = member.warmth;
          await clock.advance(Math.max(1, own.durationMs / 20));
        }
        expect(member.warmth).toBe(1);
      }),
      { numRuns: 20 },
    );
  });
});

describe.each(Object.entries(pickers))('%s with a member that warms up', (_name, { picker }) => {
  it('gives it the share of its warmth', () => {
    const members = fakeMembers(4);
    (members[0] as { warmth: number }).warmth = 0.1;
    const own = picker(loadBalancerDefaults, seededRandom(1));
    own.rebuild(members);
    let picks = 0;
    for (let pick = 0; pick < 20_000; pick++) if (own.pick(undefined, new Set<Member>(), pick) === members[0]) picks++;
    expect(picks / 20_000).toBeCloseTo(0.1 / 3.1, 2);
  });
});
