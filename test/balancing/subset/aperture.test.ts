import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aperture, isInstance } from '../../../src/balancing/subset/aperture.ts';
import type { Member } from '../../../src/core/member.ts';
import { fakeMember, fakeMembers } from '../fake-member.ts';

/** What each member gets from `count` instances that send the same. */
function loads(members: readonly Member[], size: number, count: number): number[] {
  const load = new Map<Member, number>();
  for (let index = 0; index < count; index++) {
    const subset = aperture(size, { index, count })(members, 0);
    const weights = subset.members.map((member) => member.endpoint.weight * (subset.parts?.get(member) ?? 1));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    subset.members.forEach((member, place) => {
      load.set(member, (load.get(member) ?? 0) + (weights[place] as number) / total);
    });
  }
  return members.map((member) => load.get(member) ?? 0);
}

describe('aperture', () => {
  it('gives every endpoint the same from all instances together, by weight', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 30 }),
        (weights, count, size) => {
          const members = weights.map((weight, index) => fakeMember({ port: index + 1, weight }));
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          loads(members, size, count).forEach((load, index) => {
            expect(load).toBeCloseTo((count * (weights[index] as number)) / total, 6);
          });
        },
      ),
    );
  });

  it('reaches 12 endpoints at least, however uneven they are', () => {
    const members = Array.from({ length: 100 }, (_, index) =>
      fakeMember({ port: index + 1, weight: index ? 1 : 1_000 }),
    );
    for (let index = 0; index < 100; index++) {
      expect(aperture(12, { index, count: 100 })(members, 0).members.length).toBeGreaterThanOrEqual(12);
    }
  });

  it('finds enough healthy ones, and no more, in a large ring', () => {
    const members = fakeMembers(1_000);
    members.forEach((member, index) => {
      member.healthy = index % 100 === 0;
    });
    const subset = aperture(12, { index: 3, count: 100_000 })(members, 5);
    expect(subset.members.filter(({ healthy }) => healthy)).toHaveLength(5);
  });

  it('uses no more endpoints than it has to, and at least 12', () => {
    const members = fakeMembers(1_000);
    for (const [size, least] of [
      [1, 12],
      [50, 50],
    ] as const) {
      for (let index = 0; index < 100; index++) {
        const { length } = aperture(size, { index, count: 100 })(members, 0).members;
        expect(length).toBeGreaterThanOrEqual(least);
        // One more at either end, and what a whole number of slices adds.
        expect(length).toBeLessThanOrEqual(least + 10 + 2);
      }
    }
  });

  it('chooses the same whatever the order, and all where there are few', () => {
    const members = fakeMembers(200);
    const choose = aperture(20, { index: 3, count: 40 });
    expect(new Set(choose([...members].reverse(), 0).members)).toEqual(new Set(choose(members, 0).members));
    expect(choose(members.slice(0, 12), 0)).toEqual({ members: members.slice(0, 12), parts: undefined });
    expect(aperture(20, { index: 0, count: 1 })(members, 0).members).toHaveLength(200);
  });

  it('reaches further until enough are healthy', () => {
    const members = fakeMembers(200);
    const choose = aperture(12, { index: 5, count: 50 });
    for (const member of choose(members, 0).members) (member as { healthy: boolean }).healthy = false;
    const { members: wider } = choose(members, 6);
    expect(wider.filter(({ healthy }) => healthy).length).toBeGreaterThanOrEqual(6);
    expect(wider.length).toBeLessThan(40);
    expect(choose(members, 200).members).toHaveLength(200);
  });
});

describe('isInstance', () => {
  it.each([
    [{ index: 0, count: 1 }, true],
    [{ index: 1, count: 1 }, false],
    [{ index: -1, count: 1 }, false],
    [{ index: 0.5, count: 2 }, false],
    [{ count: 2 }, false],
    [null, false],
  ])('%j: %s', (value, expected) => {
    expect(isInstance(value)).toBe(expected);
  });
});
