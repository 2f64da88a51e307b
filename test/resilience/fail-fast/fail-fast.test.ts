import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Member } from '../../../src/core/member.ts';
import { FailFast } from '../../../src/resilience/fail-fast/fail-fast.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeMembers } from '../../balancing/fake-member.ts';

/** Waits are as long as they can be: just below their bound. */
function setUp(random = { next: () => 0.999 }) {
  const clock = new VirtualClock();
  const avoided = new Set<Member>();
  const failFast = new FailFast({
    clock,
    random,
    onAvoid: (member) => avoided.add(member),
    onReturn: (members) => {
      for (const member of members) avoided.delete(member);
    },
  });
  const [a, b] = fakeMembers(2) as [Member, Member];
  return { clock, avoided, failFast, a, b };
}

describe('FailFast', () => {
  it('avoids a member after one refusal, and lets it in again within a second', async () => {
    const { clock, avoided, failFast, a } = setUp();
    failFast.refused(a);
    expect([...avoided]).toEqual([a]);
    expect(clock.pendingBackgroundTimers).toBe(1);
    await clock.advance(1_000);
    expect(avoided.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('waits twice as long after each further refusal, up to 32 s', async () => {
    const { clock, avoided, failFast, a } = setUp();
    const waits: number[] = [];
    for (let refusal = 0; refusal < 7; refusal++) {
      failFast.refused(a);
      const from = clock.now();
      while (avoided.size > 0) await clock.advance(100);
      waits.push(Math.round((clock.now() - from) / 1_000));
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 32]);
  });

  it('tells for how long a member has refused, also while it is tried again, until a connection is made', async () => {
    const { clock, failFast, a, b } = setUp();
    failFast.refused(a);
    await clock.advance(1_500);
    failFast.refused(a);
    await clock.advance(1_000);
    expect([failFast.refusingMs(a), failFast.refusingMs(b)]).toEqual([2_500, 0]);
    failFast.reached(a);
    expect(failFast.refusingMs(a)).toBe(0);
  });

  it('counts refusals of attempts that were under way together as one', async () => {
    const { clock, avoided, failFast, a } = setUp();
    for (let attempt = 0; attempt < 10; attempt++) failFast.refused(a);
    await clock.advance(1_000);
    expect(avoided.size).toBe(0);
  });

  it('starts anew, and at once, when a connection was made', async () => {
    const { clock, avoided, failFast, a } = setUp();
    failFast.refused(a);
    await clock.advance(1_000);
    failFast.refused(a);
    failFast.reached(a);
    expect(avoided.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
    failFast.refused(a);
    await clock.advance(1_000);
    expect(avoided.size).toBe(0);
  });

  it('knows each member by itself, with one timer for the first that is to return', async () => {
    const { clock, avoided, failFast, a, b } = setUp();
    failFast.refused(a);
    await clock.advance(500);
    failFast.refused(b);
    failFast.reached(b);
    failFast.refused(b);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(500);
    expect([...avoided]).toEqual([b]);
    await clock.advance(500);
    expect(avoided.size).toBe(0);
  });

  it('forgets members that left, and all when it is closed', async () => {
    const { clock, avoided, failFast, a, b } = setUp();
    failFast.refused(a);
    failFast.leave(a);
    expect(clock.pendingTimers).toBe(0);
    failFast.refused(b);
    failFast.close();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(60_000);
    expect([...avoided]).toEqual([a, b]);
  });

  it('draws each wait from 0 to its bound', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 8 }),
        async (draws) => {
          const numbers = [...draws];
          const { clock, avoided, failFast, a } = setUp({ next: () => numbers.shift() as number });
          for (const [index, draw] of draws.entries()) {
            const waitMs = draw * Math.min(32_000, 1_000 * 2 ** index);
            failFast.refused(a);
            await clock.advance(Math.max(0, waitMs - 2));
            if (waitMs > 2) expect(avoided.size).toBe(1);
            await clock.advance(2);
            expect(avoided.size).toBe(0);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
