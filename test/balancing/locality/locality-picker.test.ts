import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localityLayout, type OwnPlace } from '../../../src/balancing/locality/locality-groups.ts';
import type { LocalityOptions } from '../../../src/balancing/locality/locality-options.ts';
import { LocalityPicker } from '../../../src/balancing/locality/locality-picker.ts';
import { PowerOfTwoPicker } from '../../../src/balancing/power-of-two.ts';
import type { Member } from '../../../src/core/member.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { pickerContract } from '../../contracts/picker-contract.ts';
import { type FakeMember, fakeMember } from '../fake-member.ts';

const none: ReadonlySet<Member> = new Set();
const failover: LocalityOptions = {
  distribute: [],
  failover: new Map(),
  zoneAware: undefined,
  overprovisioningPercent: 140,
};
const zoneAware: LocalityOptions = { ...failover, zoneAware: { minEndpoints: 6 } };

function at(locality: string, callers: readonly string[] = []): OwnPlace {
  return { locality, callers: () => callers };
}

let port = 0;
function membersAt(locality: string, count: number, healthy = count): FakeMember[] {
  return Array.from({ length: count }, (_, index) => fakeMember({ port: ++port, locality, healthy: index < healthy }));
}

/** `key: share` of each group that has one. */
function shares(members: readonly Member[], options: LocalityOptions, place: OwnPlace): Record<string, number> {
  const { groups } = localityLayout(members, options, place);
  return Object.fromEntries(
    groups.filter(({ share }) => share > 0).map(({ key, share }) => [key, Math.round(share * 1_000) / 1_000]),
  );
}

function pickerOf(members: readonly Member[], options: LocalityOptions, place: OwnPlace): LocalityPicker {
  const random = seededRandom(3);
  const makePicker = () => new PowerOfTwoPicker(50, random);
  const picker = new LocalityPicker({ options, place, makePicker, panicThresholdPercent: 50, random });
  picker.rebuild(members);
  return picker;
}

function picked(picker: LocalityPicker, picks: number, tried = none): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let pick = 0; pick < picks; pick++) {
    const { locality } = picker.pick(undefined, tried, pick)!.endpoint;
    counts[locality] = (counts[locality] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).map(([locality, count]) => [locality, count / picks]));
}

const place = at('eu/eu-1/a');
pickerContract('failover by locality', (panic, random) => {
  const makePicker = () => new PowerOfTwoPicker(panic, random);
  return new LocalityPicker({
    options: failover,
    place: at(''),
    makePicker,
    panicThresholdPercent: panic,
    random,
  });
});

describe('failover', () => {
  it('sends everything to the nearest: subzone, zone, region, then the rest', () => {
    const [far, region, zone, subzone] = ['us/us-1/a', 'eu/eu-2/a', 'eu/eu-1/b', 'eu/eu-1/a'].map((locality) =>
      membersAt(locality, 1),
    ) as [FakeMember[], FakeMember[], FakeMember[], FakeMember[]];
    expect(shares([...far, ...region, ...zone, ...subzone], failover, place)).toEqual({ 'priority 0': 1 });
    expect(picked(pickerOf([...far, ...region, ...zone], failover, place), 100)).toEqual({ 'eu/eu-1/b': 1 });
    expect(picked(pickerOf([...far, ...region], failover, place), 100)).toEqual({ 'eu/eu-2/a': 1 });
    expect(picked(pickerOf(far, failover, place), 100)).toEqual({ 'us/us-1/a': 1 });
  });

  it.each([
    [10, { 'priority 0': 1 }],
    [8, { 'priority 0': 1 }],
    [7, { 'priority 0': 0.98, 'priority 2': 0.02 }],
    [5, { 'priority 0': 0.7, 'priority 2': 0.3 }],
    [1, { 'priority 0': 0.14, 'priority 2': 0.86 }],
    [0, { 'priority 2': 1 }],
  ])('spills over when %i of 10 near ones are healthy, below 72%%', (healthy, expected) => {
    const members = [...membersAt('eu/eu-1/a', 10, healthy), ...membersAt('eu/eu-2/a', 10)];
    expect(shares(members, failover, place)).toEqual(expected);
  });

  it('leaves unhealthy ones alone as long as others can bear their calls', () => {
    const members = [...membersAt('eu/eu-1/a', 10, 2), ...membersAt('eu/eu-2/a', 10)];
    const picker = pickerOf(members, failover, place);
    for (let pick = 0; pick < 500; pick++) expect(picker.pick(undefined, none, pick)?.healthy).toBe(true);
    expect(picker.candidates.members).toHaveLength(12);
  });

  it('scales up, and panics where too few are left, when all together cannot bear the calls', () => {
    const members = [...membersAt('eu/eu-1/a', 10, 2), ...membersAt('eu/eu-2/a', 10, 3)];
    expect(shares(members, failover, place)).toEqual({ 'priority 0': 0.4, 'priority 2': 0.6 });
    expect(pickerOf(members, failover, place).candidates.members).toHaveLength(20);
  });

  it('sends to the nearest when nobody is healthy', () => {
    const members = [...membersAt('eu/eu-1/a', 2, 0), ...membersAt('us/us-1/a', 2, 0)];
    expect(shares(members, failover, place)).toEqual({ 'priority 0': 1 });
  });

  it('takes endpoints that drain for none', () => {
    const draining = fakeMember({ port: ++port, locality: 'eu/eu-1/a', state: 'draining' });
    expect(shares([draining, ...membersAt('us/us-1/a', 1)], failover, place)).toEqual({ 'priority 3': 1 });
  });

  it('prefers the region that takes over', () => {
    const options = { ...failover, failover: new Map([['eu', 'us']]) };
    const members = [...membersAt('asia/a-1/a', 1), ...membersAt('us/us-1/a', 1)];
    expect(picked(pickerOf(members, options, place), 50)).toEqual({ 'us/us-1/a': 1 });
  });

  it('repeats elsewhere when everybody near was tried', () => {
    const near = membersAt('eu/eu-1/a', 2);
    const picker = pickerOf([...near, ...membersAt('us/us-1/a', 1)], failover, place);
    expect(picked(picker, 50, new Set(near.slice(0, 1)))).toEqual({ 'eu/eu-1/a': 1 });
    expect(picked(picker, 50, new Set(near))).toEqual({ 'us/us-1/a': 1 });
  });

  it.each([
    ['unhealthy', { healthy: false }],
    ['draining', { state: 'draining' as const }],
    ['weightless', { weight: 0 }],
  ])('repeats at a far member that is well rather than at a near one that is %s', (_, state) => {
    const near = membersAt('eu/eu-1/a', 1);
    const beside = fakeMember({ port: ++port, locality: 'eu/eu-1/b', ...state });
    const far = membersAt('us/us-1/a', 1);
    const picker = pickerOf([...near, beside, ...far], failover, place);
    expect(picked(picker, 50, new Set(near))).toEqual({ 'us/us-1/a': 1 });
    expect(picker.candidates.members).toEqual(near);
    expect(picker.repeatCandidates?.members).toEqual([...near, ...far]);
  });

  it('repeats at a tried member rather than at one that is unhealthy', () => {
    const near = membersAt('eu/eu-1/a', 1);
    const picker = pickerOf([...near, ...membersAt('us/us-1/a', 1, 0)], failover, place);
    expect(picked(picker, 50, new Set(near))).toEqual({ 'eu/eu-1/a': 1 });
    expect(picker.repeatCandidates).toBeUndefined();
  });

  it('repeats at a healthy member when the group that is drawn panics', () => {
    const near = membersAt('eu/eu-1/a', 5, 1);
    const far = membersAt('us/us-1/a', 3);
    const picker = pickerOf([...near, ...far], failover, place);
    for (let pick = 0; pick < 200; pick++) {
      expect(picker.pick(undefined, new Set(near.slice(0, 1)), pick)?.healthy).toBe(true);
    }
  });

  it('sends nothing to a group that drains while others serve, healthy or not', () => {
    const draining = fakeMember({ port: ++port, locality: 'eu/eu-1/a', state: 'draining' });
    const far = membersAt('us/us-1/a', 1, 0);
    expect(picked(pickerOf([draining, ...far], failover, place), 50)).toEqual({ 'us/us-1/a': 1 });
    expect(picked(pickerOf([draining], failover, place), 50)).toEqual({ 'eu/eu-1/a': 1 });
  });
});

describe('distribute', () => {
  const options: LocalityOptions = {
    ...failover,
    distribute: [
      { from: 'us/*', to: new Map([['us/*', 100]]) },
      {
        from: 'eu/eu-1/*',
        to: new Map([
          ['eu/eu-1/*', 80],
          ['eu/*', 20],
        ]),
      },
    ],
  };

  it('shares the calls as the first rule that fits says, each endpoint in the first locality it lies in', () => {
    const members = [...membersAt('eu/eu-1/a', 1), ...membersAt('eu/eu-2/a', 5), ...membersAt('us/us-1/a', 5)];
    expect(shares(members, options, place)).toEqual({ 'eu/eu-1/*': 0.8, 'eu/*': 0.2 });
    const counts = picked(pickerOf(members, options, place), 20_000);
    expect(counts['eu/eu-1/a']).toBeCloseTo(0.8, 1);
    expect(counts['us/us-1/a']).toBeUndefined();
  });

  it('gives the share of a locality that is down, or empty, to the others', () => {
    const down = [...membersAt('eu/eu-1/a', 2, 0), ...membersAt('eu/eu-2/a', 4)];
    expect(shares(down, options, place)).toEqual({ 'eu/*': 1 });
    expect(shares(membersAt('eu/eu-2/a', 1), options, place)).toEqual({ 'eu/*': 1 });
  });

  it('passes by a locality whose endpoints drain or have no weight', () => {
    const draining = fakeMember({ port: ++port, locality: 'eu/eu-1/a', state: 'draining' });
    const weightless = fakeMember({ port: ++port, locality: 'eu/eu-1/a', weight: 0 });
    const down = membersAt('eu/eu-2/a', 1, 0);
    expect(shares([draining, weightless, ...down], options, place)).toEqual({ 'eu/*': 1 });
    expect(shares([draining, ...membersAt('us/us-1/a', 1)], options, place)).toEqual({ 'priority 3': 1 });
  });

  it('falls back to failover where no rule fits, or nobody is where calls should go', () => {
    expect(shares(membersAt('us/us-1/a', 1), options, place)).toEqual({ 'priority 3': 1 });
    expect(shares(membersAt('asia/a-1/a', 1), options, at('asia/a-1/a'))).toEqual({ 'priority 0': 1 });
  });
});

describe('zone-aware', () => {
  it('keeps all calls in a zone that has its share of the endpoints', () => {
    const members = ['eu/eu-1', 'eu/eu-2', 'eu/eu-3'].flatMap((zone) => membersAt(zone, 2));
    expect(shares(members, zoneAware, place)).toEqual({ 'eu/eu-1': 1 });
  });

  it('sends away what would load a small zone more than the others', () => {
    const members = [...membersAt('eu/eu-1', 2), ...membersAt('eu/eu-2', 4), ...membersAt('eu/eu-3', 6)];
    expect(shares(members, zoneAware, place)).toEqual({ 'eu/eu-1': 0.5, 'eu/eu-3': 0.5 });
  });

  it('goes by the callers where they are known', () => {
    const members = [...membersAt('eu/eu-1', 3), ...membersAt('eu/eu-2', 3)];
    const callers = ['eu/eu-1/a', 'eu/eu-1/a', 'eu/eu-1/b', 'eu/eu-2/a'];
    expect(shares(members, zoneAware, at('eu/eu-1/a', callers))).toEqual({ 'eu/eu-1': 0.667, 'eu/eu-2': 0.333 });
    expect(shares(members, zoneAware, at('eu/eu-2/a', callers))).toEqual({ 'eu/eu-2': 1 });
  });

  it('counts ourselves when we are not among the callers', () => {
    const members = [...membersAt('eu/eu-1', 1), ...membersAt('eu/eu-2', 4), ...membersAt('eu/eu-3', 5)];
    const callers = ['eu/eu-2/a', 'eu/eu-3/a', 'eu/eu-3/a'];
    expect(shares(members, zoneAware, place)['eu/eu-1']).toBe(0.3);
    expect(shares(members, zoneAware, at('eu/eu-1/a', callers))).toEqual({ 'eu/eu-1': 0.4, 'eu/eu-2': 0.6 });
  });

  it('loads every endpoint alike when all callers do so', () => {
    const zones = ['z/1', 'z/2', 'z/3'];
    const counts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(counts, counts, (endpoints, callersPerZone) => {
        const members = zones.flatMap((zone, index) => membersAt(zone, endpoints[index] as number));
        fc.pre(members.length >= 6);
        const callers = zones.flatMap((zone, index) => new Array<string>(callersPerZone[index] as number).fill(zone));
        const load = new Map(zones.map((zone) => [zone, 0]));
        for (const caller of callers) {
          for (const { key, share } of localityLayout(members, zoneAware, at(caller, callers)).groups) {
            load.set(key, (load.get(key) as number) + share);
          }
        }
        for (const [index, zone] of zones.entries()) {
          const fair = (callers.length * (endpoints[index] as number)) / members.length;
          expect(load.get(zone)).toBeCloseTo(fair, 6);
        }
      }),
    );
  });

  it('is off for few endpoints, and where our zone has none', () => {
    expect(shares(membersAt('eu/eu-1', 5), zoneAware, place)).toEqual({ all: 1 });
    expect(shares(membersAt('eu/eu-2', 6), zoneAware, place)).toEqual({ all: 1 });
  });
});

describe('the shares of the groups', () => {
  it('add up to all calls, whatever the members', () => {
    const member = fc.record({
      locality: fc.constantFrom('', 'eu', 'eu/eu-1', 'eu/eu-1/a', 'eu/eu-2/a', 'us/us-1/a'),
      healthy: fc.boolean(),
      weight: fc.integer({ min: 0, max: 2 }),
      state: fc.constantFrom('serving' as const, 'draining' as const),
    });
    const distribute = [
      {
        from: 'eu',
        to: new Map([
          ['eu/eu-1', 1],
          ['us', 2],
        ]),
      },
    ];
    const options = fc.constantFrom(failover, zoneAware, { ...failover, distribute });
    const callers = fc.array(fc.constantFrom('eu/eu-1', 'eu/eu-2', 'us/us-1'), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(member, { minLength: 1, maxLength: 12 }), options, callers, (parts, one, known) => {
        const members = parts.map((part) => fakeMember({ ...part, port: ++port }));
        const here = at(place.locality, known);
        const { groups } = localityLayout(members, one, here);
        expect(groups.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 9);
        const picker = pickerOf(members, one, here);
        const first = picker.pick(undefined, none, 0) as FakeMember;
        expect(picker.candidates.members).toContain(first);
        const isAble = ({ endpoint }: Member) => endpoint.state === 'serving' && endpoint.weight > 0;
        if (members.some(isAble)) expect(isAble(first)).toBe(true);
        const second = picker.pick(undefined, new Set([first]), 0) as FakeMember;
        expect((picker.repeatCandidates ?? picker.candidates).members).toContain(second);
      }),
    );
  });
});

describe('a change of the members', () => {
  it('keeps the balancer of each group', () => {
    const random = seededRandom(1);
    let made = 0;
    const makePicker = () => {
      made++;
      return new PowerOfTwoPicker(50, random);
    };
    const picker = new LocalityPicker({ options: failover, place, makePicker, panicThresholdPercent: 50, random });
    const members = [...membersAt('eu/eu-1/a', 2), ...membersAt('us/us-1/a', 2)];
    picker.rebuild(members);
    picker.rebuild(members.slice(1));
    expect(made).toBe(2);
    picker.rebuild([]);
    expect(picker.candidates.members).toEqual([]);
  });
});
