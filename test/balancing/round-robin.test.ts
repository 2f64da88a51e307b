import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EdfSchedule } from '../../src/balancing/edf-schedule.ts';
import type { Picker } from '../../src/balancing/picker.ts';
import { RoundRobinPicker } from '../../src/balancing/round-robin.ts';
import type { Member } from '../../src/core/member.ts';
import { seededRandom } from '../../src/core/random.ts';
import { fakeMembers } from './fake-member.ts';

describe('RoundRobinPicker', () => {
  it('gives each member one turn before any has a second', () => {
    const members = fakeMembers(5);
    const picker: Picker = new RoundRobinPicker(50, seededRandom(3));
    picker.rebuild(members);
    for (let round = 0; round < 3; round++) {
      const turns = new Set(members.map(() => picker.pick(undefined, new Set(), 0)));
      expect(turns).toEqual(new Set(members));
    }
  });

  it('starts anywhere, so that processes do not go around in step', () => {
    const starts = new Set<Member | undefined>();
    const members = fakeMembers(4);
    for (let seed = 0; seed < 100; seed++) {
      const picker: Picker = new RoundRobinPicker(50, seededRandom(seed));
      picker.rebuild(members);
      starts.add(picker.pick(undefined, new Set(), 0));
    }
    expect(starts.size).toBe(4);
  });
});

describe('EdfSchedule', () => {
  it('gives each item its share of two rounds to within two turns', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(weights, fc.integer(), (items, seed) => {
        const schedule = new EdfSchedule(items, seededRandom(seed));
        const total = items.reduce((sum, weight) => sum + weight, 0);
        const counts = items.map(() => 0);
        for (let turns = 1; turns <= 2 * total; turns++) {
          const item = schedule.next();
          counts[item] = (counts[item] as number) + 1;
        }
        for (const [item, weight] of items.entries()) {
          expect(Math.abs((counts[item] as number) - 2 * weight)).toBeLessThanOrEqual(2);
        }
      }),
    );
  });

  it('spreads the turns of a heavy item', () => {
    const schedule = new EdfSchedule([5, 1, 1], seededRandom(1));
    let run = 0;
    let longest = 0;
    for (let turn = 0; turn < 700; turn++) {
      run = schedule.next() === 0 ? run + 1 : 0;
      longest = Math.max(longest, run);
    }
    expect(longest).toBeLessThanOrEqual(5);
  });
});
