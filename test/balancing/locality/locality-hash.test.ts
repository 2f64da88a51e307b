import { describe, expect, it } from 'vitest';
import { loadBalancerDefaults } from '../../../src/balancing/load-balancer-options.ts';
import { LocalityPicker } from '../../../src/balancing/locality/locality-picker.ts';
import { pickers } from '../../../src/balancing/pickers.ts';
import type { Member } from '../../../src/core/member.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { fakeCall } from '../fake-call.ts';
import { type FakeMember, fakeMember } from '../fake-member.ts';

const none: ReadonlySet<Member> = new Set();
const calls = Array.from({ length: 1_000 }, (_, key) => fakeCall({ hashKey: `key-${key}` }));

/** Half of the calls to each of two zones. */
function pickerOf(
  members: readonly Member[],
  balanceFactorPercent?: number,
  name: 'RING_HASH' | 'MAGLEV' = 'RING_HASH',
): LocalityPicker {
  const random = seededRandom(3);
  const { panicThresholdPercent } = loadBalancerDefaults;
  const hash = { ...loadBalancerDefaults.hash, balanceFactorPercent };
  const picker = new LocalityPicker({
    options: {
      distribute: [
        {
          from: 'eu',
          to: new Map([
            ['eu/a', 50],
            ['eu/b', 50],
          ]),
        },
      ],
      failover: new Map(),
      zoneAware: undefined,
      overprovisioningPercent: 140,
    },
    place: { locality: 'eu/a', callers: () => [] },
    makePicker: () => pickers[name].picker({ ...loadBalancerDefaults, name, hash }, random),
    panicThresholdPercent,
    random,
  });
  picker.rebuild(members);
  return picker;
}

function members(): FakeMember[] {
  return Array.from({ length: 8 }, (_, index) =>
    fakeMember({ port: index + 1, locality: index % 2 === 0 ? 'eu/a' : 'eu/b' }),
  );
}

describe('a consistent hash over localities', () => {
  it('sends calls of one key to one member, and its share of the keys to each zone', () => {
    const all = members();
    const picker = pickerOf(all);
    const owners = calls.map((call) => picker.pick(call, none, 0));
    expect(calls.map((call) => picker.pick(call, none, 0))).toEqual(owners);
    expect(new Set(owners).size).toBe(8);
    expect(owners.filter((owner) => owner?.endpoint.locality === 'eu/a').length / calls.length).toBeCloseTo(0.5, 1);
  });

  it.each(['RING_HASH', 'MAGLEV'] as const)('moves no key of others by an ejection (%s)', (name) => {
    const all = members();
    const [ejected] = all as [FakeMember];
    const picker = pickerOf(all, undefined, name);
    const owners = calls.map((call) => picker.pick(call, none, 0));
    ejected.healthy = false;
    picker.rebuild(all);
    for (const [index, call] of calls.entries()) {
      if (owners[index] !== ejected) expect(picker.pick(call, none, 0)).toBe(owners[index]);
    }
  });

  it('spreads calls without a key', () => {
    const picker = pickerOf(members());
    expect(new Set(Array.from({ length: 200 }, () => picker.pick(fakeCall(), none, 0))).size).toBe(8);
  });

  it('counts load for the bound of each zone', () => {
    const picker = pickerOf(members(), 100);
    const [call] = calls as [(typeof calls)[0]];
    const picks = Array.from({ length: 4 }, () => {
      const member = picker.pick(call, none, 0) as FakeMember;
      member.inFlight++;
      picker.loadChanged?.(member, 1);
      return member;
    });
    expect(new Set(picks).size).toBe(4);
    expect(new Set(picks.map(({ endpoint }) => endpoint.locality)).size).toBe(1);
  });
});
