import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Picker } from '../../src/balancing/picker.ts';
import type { Member } from '../../src/core/member.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';
import { fakeMember, fakeMembers } from '../balancing/fake-member.ts';

const none: ReadonlySet<Member> = new Set();

/** What every balancer has to do, whatever its algorithm. Members cost the same here. */
export function pickerContract(name: string, make: (panicThresholdPercent: number, random: Random) => Picker): void {
  function pickerOf(members: readonly Member[], panicThresholdPercent = 50, seed = 1): Picker {
    const picker = make(panicThresholdPercent, seededRandom(seed));
    picker.rebuild(members);
    return picker;
  }

  function countPicks(picker: Picker, picks: number, tried = none): Map<Member | undefined, number> {
    const counts = new Map<Member | undefined, number>();
    for (let pick = 0; pick < picks; pick++) {
      const member = picker.pick(undefined, tried, pick);
      counts.set(member, (counts.get(member) ?? 0) + 1);
    }
    return counts;
  }

  /** Five standard deviations of a binomial distribution: a fair draw fails once in 1.7 million. */
  function expectShares(counts: Map<Member | undefined, number>, members: readonly Member[], picks: number): void {
    const total = members.reduce((sum, { endpoint }) => sum + endpoint.weight, 0);
    for (const member of members) {
      const share = member.endpoint.weight / total;
      const tolerance = 5 * Math.sqrt(picks * share * (1 - share));
      expect(Math.abs((counts.get(member) ?? 0) - picks * share)).toBeLessThanOrEqual(tolerance);
    }
  }

  describe(`${name} as a picker`, () => {
    it('gives nothing before it has members, and after it lost them', () => {
      const picker = make(50, seededRandom(1));
      expect(picker.pick(undefined, none, 0)).toBeUndefined();
      const members = fakeMembers(2);
      picker.rebuild(members);
      picker.rebuild([]);
      expect(picker.pick(undefined, none, 0)).toBeUndefined();
      expect(picker.pick(undefined, new Set(members), 0)).toBeUndefined();
    });

    it('gives the only member, tried or not', () => {
      const members = fakeMembers(1);
      const picker = pickerOf(members);
      expect(picker.pick(undefined, none, 0)).toBe(members[0]);
      expect(picker.pick(undefined, new Set(members), 0)).toBe(members[0]);
    });

    it.each([[[1, 1]], [[1, 1, 1, 1, 1]], [[2, 1]], [[10, 1]], [[1, 2, 3, 4]], [[100, 1, 1, 50, 7, 7]]])(
      'shares the picks by the weights %j',
      (weights) => {
        const members = weights.map((weight, index) => fakeMember({ port: index + 1, weight }));
        expectShares(countPicks(pickerOf(members), 20_000), members, 20_000);
      },
    );

    it('reaches all of 10,000 members alike', () => {
      const members = fakeMembers(10_000);
      const counts = countPicks(pickerOf(members), 50_000);
      expect(counts.size).toBeGreaterThan(9_700);
      expect(Math.max(...counts.values())).toBeLessThan(25);
    });

    it('serves 10,000 members of weights that differ', () => {
      const members = Array.from({ length: 10_000 }, (_, index) =>
        fakeMember({ port: index + 1, weight: 1 + (index % 2) }),
      );
      const counts = countPicks(pickerOf(members), 30_000);
      let heavy = 0;
      for (const [member, count] of counts) if (member?.endpoint.weight === 2) heavy += count;
      expect(heavy / 30_000).toBeCloseTo(2 / 3, 1);
    });

    it('avoids tried members, even one that has nearly all the weight, as long as another is left', () => {
      const members = [1000, 1, 1].map((weight, index) => fakeMember({ port: index + 1, weight }));
      const [heavy, second, third] = members as [Member, Member, Member];
      const picker = pickerOf(members);
      const counts = countPicks(picker, 2_000, new Set([heavy]));
      expect(counts.get(heavy)).toBeUndefined();
      expect(counts.get(second)).toBeGreaterThan(500);
      expect(counts.get(third)).toBeGreaterThan(500);
      expect(new Set(countPicks(picker, 100, new Set([heavy, second])).keys())).toEqual(new Set([third]));
    });

    it('repeats members once all were tried', () => {
      const members = fakeMembers(3);
      expect(countPicks(pickerOf(members), 300, new Set(members)).size).toBe(3);
    });

    it('passes over unhealthy members', () => {
      const members = [fakeMember({ port: 1 }), fakeMember({ port: 2 }), fakeMember({ port: 3, healthy: false })];
      expect(countPicks(pickerOf(members), 500).get(members[2])).toBeUndefined();
    });

    it('repeats a healthy member rather than trying an unhealthy one', () => {
      const members = [fakeMember({ port: 1 }), fakeMember({ port: 2, healthy: false })];
      expect(pickerOf(members).pick(undefined, new Set([members[0] as Member]), 0)).toBe(members[0]);
    });

    it('gives to all in panic: when the healthy are fewer than the threshold, or none', () => {
      const members = fakeMembers(4);
      for (const member of members.slice(1)) member.healthy = false;
      expect(countPicks(pickerOf(members, 50), 400).size).toBe(4);
      expect(countPicks(pickerOf(members, 25), 400).size).toBe(1);
      expect(countPicks(pickerOf(members, 0), 400).size).toBe(1);
      for (const member of members) member.healthy = false;
      expect(countPicks(pickerOf(members, 0), 400).size).toBe(4);
    });

    it('leaves draining members and those of weight 0 alone while there are others, even unhealthy ones', () => {
      const draining = fakeMember({ port: 1, state: 'draining' });
      const weightless = fakeMember({ port: 2, weight: 0 });
      const sick = fakeMember({ port: 3, healthy: false });
      expect(new Set(countPicks(pickerOf([draining, weightless, sick]), 50).keys())).toEqual(new Set([sick]));
      expect(new Set(countPicks(pickerOf([draining, weightless]), 50).keys())).toEqual(new Set([weightless]));
      expect(new Set(countPicks(pickerOf([draining]), 50).keys())).toEqual(new Set([draining]));
    });

    it('sees a change of health only when it is rebuilt, and then at once', () => {
      const members = fakeMembers(3);
      const picker = pickerOf(members);
      (members[0] as { healthy: boolean }).healthy = false;
      picker.rebuild(members);
      expect(countPicks(picker, 300).get(members[0])).toBeUndefined();
      (members[0] as { healthy: boolean }).healthy = true;
      picker.rebuild(members);
      expect(countPicks(picker, 300).get(members[0])).toBeGreaterThan(0);
    });

    it('picks the same members for the same seed', () => {
      const members = fakeMembers(7);
      const [a, b] = [pickerOf(members, 50, 9), pickerOf(members, 50, 9)];
      for (let pick = 0; pick < 50; pick++) {
        expect(a.pick(undefined, none, pick)).toBe(b.pick(undefined, none, pick));
      }
    });

    it('always gives a usable member that was not tried, if there is one', () => {
      const parts = fc.record({
        weight: fc.integer({ min: 0, max: 5 }),
        healthy: fc.boolean(),
        state: fc.constantFrom('serving' as const, 'draining' as const),
        tried: fc.boolean(),
      });
      fc.assert(
        fc.property(fc.array(parts, { minLength: 1, maxLength: 20 }), fc.integer(), (all, seed) => {
          const members = all.map(({ tried: _, ...rest }, index) => fakeMember({ port: index + 1, ...rest }));
          const tried = new Set<Member>(members.filter((_, index) => all[index]?.tried));
          const picked = pickerOf(members, 0, seed).pick(undefined, tried, 0) as Member;
          expect(members).toContain(picked);
          const serving = members.filter(({ endpoint }) => endpoint.state === 'serving');
          const weighted = serving.filter(({ endpoint }) => endpoint.weight > 0);
          if (serving.length > 0) expect(serving).toContain(picked);
          if (weighted.length > 0) {
            expect(weighted).toContain(picked);
            const healthy = weighted.filter((member) => member.healthy);
            if (healthy.length > 0) expect(picked.healthy).toBe(true);
            const usable = healthy.length > 0 ? healthy : weighted;
            if (usable.some((member) => !tried.has(member))) expect(tried.has(picked)).toBe(false);
          }
        }),
      );
    });
  });
}
