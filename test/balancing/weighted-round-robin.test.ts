import { describe, expect, it } from 'vitest';
import { loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import type { MemberParts } from '../../src/balancing/picker.ts';
import { ReportedWeight } from '../../src/balancing/reported-weight.ts';
import { WeightedRoundRobinPicker } from '../../src/balancing/weighted-round-robin.ts';
import type { LoadReport } from '../../src/core/load-report.ts';
import type { Member } from '../../src/core/member.ts';
import { seededRandom } from '../../src/core/random.ts';
import { type FakeMember, fakeMember } from './fake-member.ts';

const none: ReadonlySet<Member> = new Set();

function members(count: number, weights: readonly number[] = []): FakeMember[] {
  return Array.from({ length: count }, (_, index) =>
    fakeMember({ port: index + 1, weight: weights[index] ?? 1, load: new ReportedWeight() }),
  );
}

function pickerOf(all: readonly Member[], options = {}, parts?: MemberParts): WeightedRoundRobinPicker {
  const weightedRoundRobin = { ...loadBalancerDefaults.weightedRoundRobin, ...options };
  const picker = new WeightedRoundRobinPicker({ ...loadBalancerDefaults, weightedRoundRobin }, seededRandom(1));
  picker.rebuild(all, parts);
  return picker;
}

function report(member: Member, now: number, parts: Partial<LoadReport>): void {
  const defaults = { utilization: 0.5, requestsPerSecond: 100, errorsPerSecond: 0, inFlight: undefined };
  member.load.report?.(member, { ...defaults, ...parts }, now);
}

function sharesAt(picker: WeightedRoundRobinPicker, all: readonly Member[], now: number): number[] {
  const picks = Array.from({ length: 1_200 }, () => picker.pick(undefined, none, now));
  return all.map((member) => Math.round((picks.filter((pick) => pick === member).length * 100) / picks.length));
}

describe('WEIGHTED_ROUND_ROBIN', () => {
  it('shares by requests for each unit of utilization once the blackout is over, and goes by turns until then', () => {
    const all = members(3);
    const [busy, idle, third] = all as [Member, Member, Member];
    const picker = pickerOf(all);
    for (let now = 0; now <= 10_000; now += 1_000) {
      report(busy, now, { utilization: 0.9 });
      report(idle, now, { utilization: 0.3 });
      report(third, now, { utilization: 0.3, requestsPerSecond: 200 });
    }
    expect(sharesAt(picker, all, 9_000)).toEqual([33, 33, 33]);
    // 111, 333 and 667 requests for each unit.
    expect(sharesAt(picker, all, 10_000)).toEqual([10, 30, 60]);
  });

  it.each<[string, Partial<LoadReport>]>([
    ['endless', { utilization: 1e-300, requestsPerSecond: 1e300 }],
    ['none', { requestsPerSecond: 5e-324, errorsPerSecond: 1e308 }],
  ])('takes a weight that is %s for unknown', (_, strange) => {
    const all = members(3);
    const picker = pickerOf(all, { blackoutMs: 0, errorPenalty: 0 });
    report(all[0] as Member, 0, strange);
    for (const member of all.slice(1)) report(member, 0, {});
    expect(sharesAt(picker, all, 0)).toEqual([33, 33, 33]);
  });

  it('lets no report take the calls of all others', () => {
    const all = members(3);
    const picker = pickerOf(all, { blackoutMs: 0 });
    report(all[0] as Member, 0, { utilization: 0.000_001 });
    for (const member of all.slice(1)) report(member, 0, {});
    expect(sharesAt(picker, all, 0)).toEqual([83, 8, 8]);
  });

  it('shares by weight also when there are fewer picks than looks at the weights', () => {
    const all = members(2);
    const picker = pickerOf(all, { blackoutMs: 0 });
    const counts = [0, 0];
    for (let now = 0; now < 1_000_000; now += 1_100) {
      report(all[0] as Member, now, { utilization: 0.9 });
      report(all[1] as Member, now, { utilization: 0.1 });
      counts[all.indexOf(picker.pick(undefined, none, now) as FakeMember)]!++;
    }
    expect((counts[0] as number) / 910).toBeCloseTo(0.1, 1);
  });

  it('counts failures as utilization', () => {
    const all = members(2);
    const picker = pickerOf(all, { blackoutMs: 0 });
    report(all[0] as Member, 0, { utilization: 0.5, errorsPerSecond: 100 });
    report(all[1] as Member, 0, { utilization: 0.5 });
    expect(sharesAt(picker, all, 0)).toEqual([25, 75]);
    const forgiving = pickerOf(all, { blackoutMs: 0, errorPenalty: 0 });
    expect(sharesAt(forgiving, all, 0)).toEqual([50, 50]);
  });

  it('gives the mean weight to members that do not report', () => {
    const all = members(3);
    const picker = pickerOf(all, { blackoutMs: 0 });
    report(all[0] as Member, 0, { utilization: 1 });
    report(all[1] as Member, 0, { utilization: 0.2 });
    expect(sharesAt(picker, all, 0)).toEqual([11, 56, 33]);
  });

  it('goes by the weights of the endpoints while fewer than two report', () => {
    const all = members(3, [1, 1, 2]);
    const picker = pickerOf(all, { blackoutMs: 0 });
    report(all[0] as Member, 0, { utilization: 0.01 });
    expect(sharesAt(picker, all, 0)).toEqual([25, 25, 50]);
  });

  it('looks at the weights once a period', () => {
    const all = members(2);
    const picker = pickerOf(all, { blackoutMs: 0 });
    expect(sharesAt(picker, all, 0)).toEqual([50, 50]);
    report(all[0] as Member, 1, { utilization: 0.9 });
    report(all[1] as Member, 1, { utilization: 0.1 });
    expect(sharesAt(picker, all, 999)).toEqual([50, 50]);
    expect(sharesAt(picker, all, 1_000)).toEqual([10, 90]);
  });

  it('forgets weights that expired, and gathers anew when reports come back', () => {
    const all = members(2);
    const picker = pickerOf(all);
    const both = (now: number) => {
      report(all[0] as Member, now, { utilization: 0.9 });
      report(all[1] as Member, now, { utilization: 0.1 });
    };
    both(0);
    both(10_000);
    expect(sharesAt(picker, all, 189_999)).toEqual([10, 90]);
    expect(sharesAt(picker, all, 191_000)).toEqual([50, 50]);
    both(200_000);
    expect(sharesAt(picker, all, 209_000)).toEqual([50, 50]);
    expect(sharesAt(picker, all, 210_000)).toEqual([10, 90]);
  });

  it('takes no report without load or requests', () => {
    const all = members(2);
    const picker = pickerOf(all, { blackoutMs: 0 });
    for (const member of all) report(member, 0, { utilization: 0 });
    for (const member of all) report(member, 0, { requestsPerSecond: 0 });
    expect(sharesAt(picker, all, 0)).toEqual([50, 50]);
  });

  it('keeps to the parts of members', () => {
    const all = members(2);
    for (const member of all) report(member, 0, {});
    const picker = pickerOf(all, { blackoutMs: 0 }, new Map([[all[0] as Member, 0.25]]));
    expect(sharesAt(picker, all, 0)).toEqual([20, 80]);
  });
});
