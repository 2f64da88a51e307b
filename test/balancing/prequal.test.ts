import { describe, expect, it } from 'vitest';
import { loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import { PrequalPicker } from '../../src/balancing/prequal.ts';
import { PrequalLoad } from '../../src/balancing/prequal-load.ts';
import { type PrequalOptions, prequalDefaults } from '../../src/balancing/prequal-options.ts';
import { ProbePool } from '../../src/balancing/probe-pool.ts';
import type { Member } from '../../src/core/member.ts';
import { seededRandom } from '../../src/core/random.ts';
import { type FakeMember, fakeMember } from './fake-member.ts';

const none: ReadonlySet<Member> = new Set();

/** A member of this latency, with so much in flight. */
function measured(port: number, latencyMs: number, inFlight = 0): FakeMember {
  const load = new PrequalLoad();
  load.observe(latencyMs, 0, false);
  return fakeMember({ port, load, inFlight });
}

function poolOf(probes: readonly FakeMember[], options: Partial<PrequalOptions> = {}, now = 0): ProbePool {
  const pool = new ProbePool({ ...prequalDefaults, ...options });
  for (const member of probes) pool.add(member, member.load as PrequalLoad, 1, now);
  return pool;
}

describe('ProbePool', () => {
  it('takes the fastest of the cold ones, however fast the hot ones are', () => {
    const probes = [measured(1, 50, 0), measured(2, 20, 1), measured(3, 80, 1), measured(4, 0.1, 90)];
    expect(poolOf(probes, { hotQuantile: 0.7 }).take(none, 0)).toBe(probes[1]);
  });

  it('expects a latency to grow with our own attempts in flight', () => {
    const probes = [measured(1, 50, 0), measured(2, 20, 2)];
    expect(poolOf(probes).take(none, 0)).toBe(probes[0]);
  });

  it('takes the one with the least in flight when all are hot', () => {
    const probes = [measured(1, 50, 0), measured(2, 20, 0), measured(3, 80, 0)];
    const pool = poolOf(probes);
    [9, 8, 7].forEach((inFlight, index) => {
      (probes[index] as FakeMember).inFlight = inFlight;
    });
    expect(pool.take(none, 0)).toBe(probes[2]);
  });

  it('knows nobody as hot with a few in flight', () => {
    const probes = [...Array.from({ length: 14 }, (_, index) => measured(index + 10, 50)), measured(1, 2, 4)];
    expect(poolOf(probes).take(none, 0)).toBe(probes.at(-1));
  });

  it('counts what others have in flight by the last report, for as long as a probe is young', () => {
    const [reporting, silent] = [measured(1, 20), measured(2, 50)];
    reporting.load.report?.(reporting, { utilization: 0, requestsPerSecond: 0, errorsPerSecond: 0, inFlight: 40 }, 0);
    expect(poolOf([silent, silent, reporting], { hotQuantile: 0.6 }).take(none, 0)).toBe(silent);
    expect(poolOf([silent, silent, reporting], { hotQuantile: 0.6 }, 1_001).take(none, 1_001)).toBe(reporting);
  });

  it('uses a probe once', () => {
    const [fast, slow, slower] = [measured(1, 5), measured(2, 50), measured(3, 80)];
    const pool = poolOf([slower, slow, slow, slow, fast]);
    expect(pool.take(none, 0)).toBe(fast);
    expect(pool.take(none, 0)).toBe(slow);
  });

  it('drops one more with each use, in turn the oldest and the worst', () => {
    const [a, b, c, d, e] = [1, 2, 3, 4, 5].map((port) => measured(port, port === 3 ? 900 : 10 * port)) as [
      FakeMember,
      FakeMember,
      FakeMember,
      FakeMember,
      FakeMember,
    ];
    const pool = poolOf([e, d, c, b, a]);
    // Takes a, drops e; takes b, drops c.
    expect(pool.take(none, 0)).toBe(a);
    expect(pool.take(none, 0)).toBe(b);
    expect(pool.take(none, 0)).toBe(d);
    expect(pool.take(none, 0)).toBeUndefined();
  });

  it('keeps as many as it has room for, the youngest', () => {
    const probes = [measured(1, 5), measured(2, 50), measured(3, 80)];
    expect(poolOf(probes, { poolSize: 2 }).take(none, 0)).toBe(probes[1]);
  });

  it('forgets probes by age', () => {
    const fast = measured(1, 5);
    expect(poolOf([fast]).take(none, 1_000)).toBe(fast);
    expect(poolOf([fast]).take(none, 1_001)).toBeUndefined();
  });

  it('passes over tried members', () => {
    const [fast, slow] = [measured(1, 5), measured(2, 50)];
    const pool = poolOf([slow, fast, fast]);
    expect(pool.take(new Set([fast]), 0)).toBe(slow);
    expect(poolOf([fast]).take(new Set([fast]), 0)).toBeUndefined();
  });

  it('compares by weight', () => {
    const [small, large] = [measured(1, 30, 8), measured(2, 20, 16)];
    const pool = new ProbePool({ ...prequalDefaults, hotQuantile: 0 });
    pool.add(small, small.load as PrequalLoad, 2, 0);
    pool.add(large, large.load as PrequalLoad, 0.5, 0);
    expect(pool.take(none, 0)).toBe(large);
  });
});

describe('PREQUAL', () => {
  function pickerOf(members: readonly Member[]): PrequalPicker {
    const picker = new PrequalPicker(loadBalancerDefaults, seededRandom(1));
    picker.rebuild(members);
    return picker;
  }

  it('hardly ever takes one of two slow members among many, which two random choices would', () => {
    const members = Array.from({ length: 16 }, (_, index) => measured(index + 1, index < 2 ? 800 : 50));
    const picker = pickerOf(members);
    let slow = 0;
    for (let pick = 0; pick < 5_000; pick++) {
      if (members.indexOf(picker.pick(undefined, none, 0) as FakeMember) < 2) slow++;
    }
    expect(slow / 5_000).toBeLessThan(0.001);
  });

  it('knows a member by its report at once, and no member that it may not pick', () => {
    const members = Array.from({ length: 1_000 }, (_, index) => measured(index + 1, 50));
    const [reported, stranger] = [measured(2_001, 5), measured(2_002, 1)];
    const picker = pickerOf([...members, reported]);
    picker.loadReported(stranger, 0);
    picker.loadReported(reported, 0);
    expect(picker.pick(undefined, none, 0)).toBe(reported);
  });

  it('serves members of another metric', () => {
    const members = [fakeMember({ port: 1 }), fakeMember({ port: 2 })];
    expect(members).toContain(pickerOf(members).pick(undefined, none, 0));
  });
});
