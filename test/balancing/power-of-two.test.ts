import { describe, expect, it } from 'vitest';
import { LeastRequest } from '../../src/balancing/least-request.ts';
import { PowerOfTwoPicker } from '../../src/balancing/power-of-two.ts';
import type { Member } from '../../src/core/member.ts';
import { seededRandom } from '../../src/core/random.ts';
import { type FakeMember, fakeMember, fakeMembers, fixedLoad } from './fake-member.ts';

const none: ReadonlySet<Member> = new Set();

function pickerOf(members: readonly Member[]): PowerOfTwoPicker {
  const picker = new PowerOfTwoPicker(50, seededRandom(5));
  picker.rebuild(members);
  return picker;
}

function setLoad(member: FakeMember | undefined, cost: number): void {
  if (member !== undefined) member.load = fixedLoad(cost);
}

describe('PowerOfTwoPicker', () => {
  it('never picks the most expensive of members of equal weight', () => {
    const members = fakeMembers(5);
    setLoad(members[2], 9);
    const picker = pickerOf(members);
    for (let pick = 0; pick < 500; pick++) expect(picker.pick(undefined, none, 0)).not.toBe(members[2]);
  });

  it('always picks the cheaper of two', () => {
    const members = [fakeMember({ port: 1, load: fixedLoad(2) }), fakeMember({ port: 2, load: fixedLoad(1) })];
    const picker = pickerOf(members);
    for (let pick = 0; pick < 100; pick++) expect(picker.pick(undefined, none, 0)).toBe(members[1]);
  });

  it('compares different members also when weights differ', () => {
    const members = [3, 2, 2].map((weight, index) => fakeMember({ port: index + 1, weight }));
    setLoad(members[1], 9);
    const picker = pickerOf(members);
    for (let pick = 0; pick < 500; pick++) expect(picker.pick(undefined, none, 0)).not.toBe(members[1]);
  });

  it('lets a member with most of the weight meet the others half of the time it can', () => {
    const members = [
      fakeMember({ port: 1, weight: 3, load: fixedLoad(9) }),
      fakeMember({ port: 2, load: fixedLoad(1) }),
    ];
    const picker = pickerOf(members);
    let light = 0;
    for (let pick = 0; pick < 4_000; pick++) if (picker.pick(undefined, none, 0) === members[1]) light++;
    expect(light / 4_000).toBeCloseTo(1 / 2, 1);
  });

  it('chooses on a repeat too', () => {
    const members = fakeMembers(4);
    setLoad(members[3], 9);
    const picker = pickerOf(members);
    let expensive = 0;
    for (let pick = 0; pick < 1_000; pick++) {
      if (picker.pick(undefined, new Set([members[0] as Member]), 0) === members[3]) expensive++;
    }
    expect(expensive).toBeLessThan(20);
  });

  it('keeps the load of 100 members within a few requests of each other', () => {
    const members = fakeMembers(100);
    for (const member of members) member.load = new LeastRequest();
    const picker = pickerOf(members);
    for (let call = 0; call < 1_000; call++) {
      (picker.pick(undefined, none, 0) as { inFlight: number }).inFlight++;
    }
    const loads = members.map(({ inFlight }) => inFlight);
    // log log n above the mean (Mitzenmacher); a single random choice would reach about 21.
    expect(Math.max(...loads)).toBeLessThanOrEqual(14);
  });

  it('loads members in relation to their weight', () => {
    const members = [1, 2, 4].map((weight, index) => fakeMember({ port: index + 1, weight, load: new LeastRequest() }));
    const picker = pickerOf(members);
    for (let call = 0; call < 700; call++) {
      (picker.pick(undefined, none, 0) as { inFlight: number }).inFlight++;
    }
    for (const { inFlight, endpoint } of members) {
      expect(inFlight / endpoint.weight).toBeGreaterThan(90);
      expect(inFlight / endpoint.weight).toBeLessThan(110);
    }
  });
});
