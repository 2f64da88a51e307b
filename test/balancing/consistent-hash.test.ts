import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import type { Picker } from '../../src/balancing/picker.ts';
import { pickers } from '../../src/balancing/pickers.ts';
import type { Member } from '../../src/core/member.ts';
import { seededRandom } from '../../src/core/random.ts';
import { fakeCall } from './fake-call.ts';
import { type FakeMember, fakeMember, fakeMembers } from './fake-member.ts';

const none: ReadonlySet<Member> = new Set();
const calls = Array.from({ length: 2_000 }, (_, key) => fakeCall({ hashKey: `key-${key}` }));

function pickerOf(name: 'RING_HASH' | 'MAGLEV', members: readonly Member[], balanceFactorPercent?: number): Picker {
  // A small table: here many are made.
  const hash = { ...loadBalancerDefaults.hash, tableSize: 1_009, balanceFactorPercent };
  const picker = pickers[name].picker(
    { ...loadBalancerDefaults, name, panicThresholdPercent: 0, hash },
    seededRandom(1),
  );
  picker.rebuild(members);
  return picker;
}

function ownersOf(picker: Picker, tried = none): (Member | undefined)[] {
  return calls.map((call) => picker.pick(call, tried, 0));
}

describe.each(['RING_HASH', 'MAGLEV'] as const)('%s by key', (name) => {
  it('sends all calls of one key to one member, in each picker', () => {
    const members = fakeMembers(20);
    const picker = pickerOf(name, members);
    const owners = ownersOf(picker);
    expect(ownersOf(picker)).toEqual(owners);
    expect(ownersOf(pickerOf(name, members.toReversed()))).toEqual(owners);
    expect(new Set(owners).size).toBe(20);
  });

  it('sends a call without a key anywhere', () => {
    const picker = pickerOf(name, fakeMembers(5));
    for (const call of [fakeCall(), fakeCall({ hashKey: '' })]) {
      expect(new Set(Array.from({ length: 100 }, () => picker.pick(call, none, 0))).size).toBe(5);
    }
  });

  it('goes on to another member, the same each time, when the first was tried', () => {
    const picker = pickerOf(name, fakeMembers(5));
    const [call] = calls as [(typeof calls)[0]];
    const order: Member[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      const picks = Array.from({ length: 5 }, () => picker.pick(call, new Set(order), 0) as Member);
      expect(new Set(picks).size).toBe(1);
      order.push(picks[0] as Member);
    }
    expect(new Set(order).size).toBe(5);
  });

  it.each([
    ['ejected', { healthy: false }],
    ['draining', { state: 'draining' as const }],
  ])('moves the keys of a member that is %s to many others, and back, and no other key', (_, change) => {
    const members = fakeMembers(10);
    const picker = pickerOf(name, members);
    const before = ownersOf(picker);
    const [first] = members as [FakeMember];
    const { healthy } = first;
    const { endpoint } = first;
    Object.assign(first, 'state' in change ? { endpoint: { ...endpoint, ...change } } : change);
    picker.rebuild(members);
    const during = ownersOf(picker);
    expect(during).not.toContain(first);
    const moved = during.filter((_, key) => before[key] === first);
    expect(new Set(moved).size).toBeGreaterThan(5);
    expect(during.filter((owner, key) => owner !== before[key])).toHaveLength(moved.length);
    Object.assign(first, { healthy, endpoint });
    picker.rebuild(members);
    expect(ownersOf(picker)).toEqual(before);
  });

  it('follows a change of weights', () => {
    const members = fakeMembers(4);
    const picker = pickerOf(name, members);
    const share = () => ownersOf(picker).filter((owner) => owner === members[0]).length / calls.length;
    expect(share()).toBeCloseTo(0.25, 1);
    Object.assign(members[0] as FakeMember, { endpoint: { ...members[0]!.endpoint, weight: 9 } });
    picker.rebuild(members);
    expect(share()).toBeCloseTo(0.75, 1);
  });

  it('passes a member by that has more than its part of what is in flight', () => {
    const members = fakeMembers(4);
    const picker = pickerOf(name, members, 150);
    const [call] = calls as [(typeof calls)[0]];
    const first = picker.pick(call, none, 0) as FakeMember;
    for (let attempt = 0; attempt < 12; attempt++) {
      const member = picker.pick(call, none, 0) as FakeMember;
      member.inFlight++;
      picker.loadChanged?.(member, 1);
    }
    expect(first.inFlight).toBe(5);
    expect(members.reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(12);
    for (const member of members) {
      picker.loadChanged?.(member, -1);
      member.inFlight = 0;
    }
    expect(picker.pick(call, none, 0)).toBe(first);
  });

  it.each([
    ['tried', 1],
    ['left', 0],
  ])('looks at each member a few times at most when the only one with room is %s', (_, triedCount) => {
    const members = fakeMembers(100);
    let looks = 0;
    for (const [index, member] of members.entries()) {
      Object.defineProperty(member, 'inFlight', {
        get: () => {
          looks++;
          return index === 0 ? 0 : 10;
        },
      });
    }
    const picker = pickerOf(name, members, 100);
    const tried = new Set<Member>(members.slice(0, triedCount));
    for (const call of calls.slice(0, 100)) {
      looks = 0;
      const picked = picker.pick(call, tried, 0) as FakeMember;
      expect(picker.pick(call, tried, 0)).toBe(picked);
      expect(picked === members[0]).toBe(triedCount === 0);
      expect(looks).toBeLessThanOrEqual(2 * 3 * members.length);
    }
  });

  it('counts its own candidates only, and what they have when it gets them', () => {
    const members = fakeMembers(3);
    const stranger = fakeMember({ port: 9 });
    const picker = pickerOf(name, members, 100);
    const [call] = calls as [(typeof calls)[0]];
    const first = picker.pick(call, none, 0) as FakeMember;
    first.inFlight = 1;
    picker.loadChanged?.(first, 1);
    for (let other = 0; other < 30; other++) picker.loadChanged?.(stranger, 1);
    expect(picker.pick(call, none, 0)).not.toBe(first);
    for (const member of members) member.inFlight = member === first ? 3 : 4;
    picker.rebuild(members);
    expect(picker.pick(call, none, 0)).toBe(first);
  });

  it('has no member above its bound, and always one below it', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 });
    const steps = fc.array(fc.tuple(fc.nat({ max: 9 }), fc.boolean()), { maxLength: 60 });
    fc.assert(
      fc.property(weights, fc.constantFrom(100, 125, 200), steps, (all, percent, plan) => {
        const members = all.map((weight, index) => fakeMember({ port: index + 1, weight }));
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const picker = pickerOf(name, members, percent);
        const busy: FakeMember[] = [];
        for (const [key, ends] of plan) {
          const ended = ends ? busy.shift() : undefined;
          if (ended !== undefined) {
            ended.inFlight--;
            picker.loadChanged?.(ended, -1);
          }
          const member = picker.pick(calls[key], none, 0) as FakeMember;
          const part = (percent / 100) * (busy.length + 1) * (member.endpoint.weight / total);
          expect(member.inFlight + 1).toBeLessThanOrEqual(Math.ceil(part));
          member.inFlight++;
          picker.loadChanged?.(member, 1);
          busy.push(member);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('always gives a usable member that was not tried, if there is one', () => {
    const parts = fc.record({
      weight: fc.integer({ min: 0, max: 5 }),
      healthy: fc.boolean(),
      state: fc.constantFrom('serving' as const, 'draining' as const),
      inFlight: fc.nat({ max: 3 }),
      tried: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1, maxLength: 12 }), fc.boolean(), (all, bounded) => {
        const members = all.map(({ tried: _, ...rest }, index) => fakeMember({ port: index + 1, ...rest }));
        const tried = new Set<Member>(members.filter((_, index) => all[index]?.tried));
        const picker = pickerOf(name, members, bounded ? 120 : undefined);
        const candidates = picker.candidates.members;
        for (const call of calls.slice(0, 20)) {
          const picked = picker.pick(call, tried, 0) as Member;
          expect(candidates).toContain(picked);
          if (candidates.some((member) => !tried.has(member))) expect(tried.has(picked)).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('MAGLEV with a large table', () => {
  it('goes on with its old table until the next is made, and never to a member that is gone', () => {
    const hash = { ...loadBalancerDefaults.hash, tableSize: 65_537 };
    const picker = pickers.MAGLEV.picker({ ...loadBalancerDefaults, name: 'MAGLEV', hash }, seededRandom(1));
    const members = fakeMembers(10);
    picker.rebuild(members);
    const [call] = calls as [(typeof calls)[0]];
    // The first table is made at once.
    const home = picker.pick(call, none, 0);
    expect(picker.pick(call, none, 0)).toBe(home);
    const added = Array.from({ length: 9 }, (_, index) => fakeMember({ port: 100 + index }));
    const changed = [...members.filter((member) => member !== home), ...added];
    picker.rebuild(changed);
    const picks = calls.map((one) => picker.pick(one, none, 0) as Member);
    expect(picks).not.toContain(home);
    expect(added).not.toContain(picks[0]);
    const late = picks.slice(100).filter((member) => (added as Member[]).includes(member));
    expect(late.length / (picks.length - 100)).toBeCloseTo(0.5, 1);
    // Further changes while a table is made do not keep it from being finished.
    for (let change = 0; change < 100; change++) {
      picker.rebuild(change % 2 === 0 ? members : changed);
      picker.pick(calls[change], none, 0);
    }
    for (const one of calls.slice(0, 100)) picker.pick(one, none, 0);
    const fresh = pickers.MAGLEV.picker({ ...loadBalancerDefaults, name: 'MAGLEV', hash }, seededRandom(1));
    fresh.rebuild(changed);
    expect(calls.map((one) => picker.pick(one, none, 0))).toEqual(calls.map((one) => fresh.pick(one, none, 0)));
  });
});
