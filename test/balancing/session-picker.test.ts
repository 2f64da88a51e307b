import { describe, expect, it } from 'vitest';
import { PowerOfTwoPicker } from '../../src/balancing/power-of-two.ts';
import { SessionPicker, sessionCookie } from '../../src/balancing/session-picker.ts';
import type { Member } from '../../src/core/member.ts';
import { seededRandom } from '../../src/core/random.ts';
import { pickerContract } from '../contracts/picker-contract.ts';
import { fakeCall } from './fake-call.ts';
import { type FakeMember, fakeMembers } from './fake-member.ts';

const options = { cookieName: 'stay', path: '/', maxAgeSeconds: undefined };

pickerContract('session affinity', (panic, random) => new SessionPicker(options, new PowerOfTwoPicker(panic, random)));

const none: ReadonlySet<Member> = new Set();

/** A call that comes with the cookie of `member`. */
function callOf(member: Member, quote = '') {
  const token = sessionCookie(options, fakeCall(), member)?.split(/[=;]/)[1] as string;
  return fakeCall({ headers: ['cookie', `a=b; stay=${quote}${token}${quote}`] });
}

describe('a session', () => {
  it.each(['', '"'])('is known by a cookie that a client has put between %j', (quote) => {
    const members = fakeMembers(20);
    const picker = new SessionPicker(options, new PowerOfTwoPicker(50, seededRandom(1)));
    picker.rebuild(members);
    for (const member of members) {
      const call = callOf(member, quote);
      expect(picker.pick(call, none, 0)).toBe(member);
      expect(sessionCookie(options, call, member)).toBeUndefined();
    }
  });

  it('is found after members came and went, and were reordered', () => {
    const members = fakeMembers(4);
    const picker = new SessionPicker(options, new PowerOfTwoPicker(0, seededRandom(1)));
    const [first, second, third, fourth] = members as [FakeMember, FakeMember, FakeMember, FakeMember];
    const owner = (member: FakeMember) => picker.pick(callOf(member), none, 0);
    picker.rebuild([first, second]);
    expect(owner(second)).toBe(second);
    second.healthy = false;
    picker.rebuild([first, second]);
    expect(owner(second)).toBe(first);
    second.healthy = true;
    picker.rebuild([second, third]);
    expect([owner(second), owner(third)]).toEqual([second, third]);
    picker.rebuild([fourth]);
    expect([owner(second), owner(fourth)]).toEqual([fourth, fourth]);
  });
});
