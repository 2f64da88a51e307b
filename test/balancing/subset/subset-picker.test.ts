import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomPicker } from '../../../src/balancing/random.ts';
import { aperture } from '../../../src/balancing/subset/aperture.ts';
import { rendezvousSubset } from '../../../src/balancing/subset/rendezvous-subset.ts';
import type { ChooseSubset } from '../../../src/balancing/subset/subset.ts';
import { SubsetPicker } from '../../../src/balancing/subset/subset-picker.ts';
import type { Member } from '../../../src/core/member.ts';
import { type Random, seededRandom } from '../../../src/core/random.ts';
import { pickerContract } from '../../contracts/picker-contract.ts';
import { fakeMember, fakeMembers } from '../fake-member.ts';

function pickerOf(size: number, choose: ChooseSubset, panicThresholdPercent = 50, random: Random = seededRandom(1)) {
  return new SubsetPicker({
    size,
    choose,
    panicThresholdPercent,
    inner: new RandomPicker(panicThresholdPercent, random),
  });
}

pickerContract('a subset that has room for all', (panicThresholdPercent, random) =>
  pickerOf(20_000, rendezvousSubset(20_000, 1), panicThresholdPercent, random),
);

describe('SubsetPicker', () => {
  it('uses the subset alone, by weight and part', () => {
    const members = fakeMembers(100);
    const choose = aperture(12, { index: 3, count: 7 });
    const picker = pickerOf(12, choose);
    picker.rebuild(members);
    const { members: subset, parts } = choose(members, 0);
    expect(new Set(picker.candidates.members)).toEqual(new Set(subset));
    const [member, part] = [...(parts ?? [])][0] as [Member, number];
    const total = subset.reduce((sum, one) => sum + (parts?.get(one) ?? 1), 0);
    let picks = 0;
    for (let pick = 0; pick < 20_000; pick++) if (picker.pick(undefined, new Set(), 0) === member) picks++;
    expect(picks / 20_000).toBeCloseTo(part / total, 2);
  });

  it('is as it was once members are healthy again', () => {
    const members = fakeMembers(60);
    const picker = pickerOf(10, rendezvousSubset(10, 3));
    picker.rebuild(members);
    const before = picker.candidates.members;
    for (const member of before.slice(0, 7)) (member as { healthy: boolean }).healthy = false;
    picker.rebuild(members);
    // Below half of them are healthy, so there are others in their place, up to half.
    expect(picker.candidates.members).toHaveLength(5);
    expect(picker.candidates.members.every(({ healthy }) => healthy)).toBe(true);
    for (const member of members) member.healthy = true;
    picker.rebuild(members);
    expect(new Set(picker.candidates.members)).toEqual(new Set(before));
  });

  it('never is without members, nor with unhealthy ones unless the whole service panics', () => {
    const part = fc.record({
      healthy: fc.boolean(),
      weight: fc.integer({ min: 0, max: 3 }),
      state: fc.constantFrom('serving' as const, 'draining' as const),
    });
    const place = fc.option(fc.nat(9), { nil: undefined });
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 100 }),
        place,
        (all, size, threshold, index) => {
          const members = all.map((one, port) => fakeMember({ port: port + 1, ...one }));
          const whole = new RandomPicker(threshold, seededRandom(1));
          whole.rebuild(members);
          const choose = index === undefined ? rendezvousSubset(size, 1) : aperture(size, { index, count: 10 });
          const picker = pickerOf(size, choose, threshold);
          picker.rebuild(members);
          const usable = new Set(whole.candidates.members);
          const chosen = picker.candidates.members;
          expect(chosen.length).toBeGreaterThan(0);
          for (const member of chosen) expect(usable.has(member)).toBe(true);
          const least = Math.min(Math.ceil((Math.min(size, usable.size) * threshold) / 100), usable.size);
          expect(chosen.length).toBeGreaterThanOrEqual(Math.min(least, usable.size));
        },
      ),
    );
  });
});
