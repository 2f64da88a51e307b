import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rendezvousSubset } from '../../../src/balancing/subset/rendezvous-subset.ts';
import type { Member } from '../../../src/core/member.ts';
import { fakeMembers } from '../fake-member.ts';

function difference(before: readonly Member[], after: readonly Member[]): number {
  const known = new Set(before);
  return after.filter((member) => !known.has(member)).length;
}

describe('rendezvousSubset', () => {
  it('changes by one at most when an endpoint goes or comes back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 100 }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(99),
        fc.integer(),
        (count, size, gone, seed) => {
          const members = fakeMembers(count);
          const choose = rendezvousSubset(size, seed);
          const all = choose(members, 0).members;
          const without = choose(members.toSpliced(gone % count, 1), 0).members;
          expect(all).toHaveLength(Math.min(size, count));
          expect(difference(all, without)).toBeLessThanOrEqual(1);
          expect(difference(without, all)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('has each endpoint in about as many subsets as another, over many processes', () => {
    const members = fakeMembers(100);
    const counts = new Map<Member, number>();
    for (let seed = 0; seed < 2_000; seed++) {
      for (const member of rendezvousSubset(20, seed)(members, 0).members) {
        counts.set(member, (counts.get(member) ?? 0) + 1);
      }
    }
    // 400 each, give or take five standard deviations.
    for (const member of members) expect(Math.abs((counts.get(member) ?? 0) - 400)).toBeLessThan(90);
  });

  it('chooses the same whatever the order', () => {
    const members = fakeMembers(500);
    const choose = rendezvousSubset(20, 7);
    expect(choose([...members].reverse(), 0).members).toEqual(choose(members, 0).members);
  });

  it('takes in others until enough are healthy, and keeps those that it has', () => {
    const members = fakeMembers(100);
    const choose = rendezvousSubset(10, 7);
    const before = choose(members, 0).members;
    for (const member of before.slice(0, 8)) (member as { healthy: boolean }).healthy = false;
    const after = choose(members, 5).members;
    expect(after).toHaveLength(13);
    expect(after.slice(0, 10)).toEqual(before);
  });
});
