import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Latencies, latencyOutliers } from '../../../src/resilience/outlier/latency-outlier.ts';
import { LatencyWindow } from '../../../src/resilience/outlier/latency-window.ts';
import { latencyOutlierDefaults } from '../../../src/resilience/outlier/outlier-options.ts';

interface Named extends Latencies {
  readonly name: string;
}

const now = 10_000;

interface Parts {
  readonly everyMs?: number;
  /** Attempts that wait, by their age. */
  readonly ages?: readonly number[];
  readonly group?: string;
}

/** A member whose attempts took this long each, the last one ended now. */
function member(
  name: string,
  latencies: readonly number[],
  { everyMs = 10, ages = [], group = '' }: Parts = {},
): Named {
  const starts = ages.map((age) => now - age).sort((a, b) => b - a);
  return {
    name,
    group,
    ended: latencies.map((latencyMs, index) => ({ startedAt: now - 5_000 - index * everyMs, latencyMs })),
    waiting: (startedBy) => starts.filter((startedAt) => startedAt <= startedBy),
  };
}

function times(count: number, latencyMs: number): number[] {
  return new Array<number>(count).fill(latencyMs);
}

/** Of attempts that wait: the youngest is so old, the others began 10 ms apart. */
function agesFrom(youngest: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => youngest + index * 10);
}

function outliers(...members: Named[]): string[] {
  return latencyOutliers(members, latencyOutlierDefaults, now).map(({ name }) => name);
}

const others = [member('b', times(20, 100)), member('c', times(20, 100)), member('d', times(20, 100))];

describe('latencyOutliers', () => {
  it('finds who takes three times the median of the others', () => {
    expect(outliers(member('a', times(20, 299)), ...others)).toEqual([]);
    expect(outliers(member('a', times(20, 300)), ...others)).toEqual(['a']);
  });

  it('finds the one first that is farthest beyond', () => {
    expect(outliers(member('a', times(20, 400)), member('z', times(20, 900)), ...others)).toEqual(['z', 'a']);
  });

  it('calls nobody slow below the minimum', () => {
    const quick = ['b', 'c', 'd'].map((name) => member(name, times(20, 5)));
    expect(outliers(member('a', times(20, 199)), ...quick)).toEqual([]);
    expect(outliers(member('a', times(20, 200)), ...quick)).toEqual(['a']);
  });

  it('wants three in four of the attempts to be slow', () => {
    expect(outliers(member('a', [...times(14, 2_000), ...times(6, 100)]), ...others)).toEqual([]);
    expect(outliers(member('a', [...times(15, 2_000), ...times(5, 100)]), ...others)).toEqual(['a']);
  });

  it('judges nobody with fewer attempts than its volume, nor among fewer than three', () => {
    expect(outliers(member('a', times(19, 2_000)), ...others)).toEqual([]);
    expect(outliers(member('a', times(20, 2_000)), others[0] as Named)).toEqual([]);
  });

  it('finds who has stalled by the age of what waits, before anything was answered', () => {
    expect(outliers(member('a', [], { ages: agesFrom(300, 20) }), ...others)).toEqual(['a']);
    expect(outliers(member('a', times(20, 100), { ages: agesFrom(300, 15) }), ...others)).toEqual(['a']);
    expect(outliers(member('a', times(20, 100), { ages: agesFrom(100, 20) }), ...others)).toEqual([]);
  });

  it('is not misled by the many that wait for a slow route while others are answered', () => {
    const answered = Array.from({ length: 20 }, (_, index) => ({ startedAt: now - 100 - index * 10, latencyMs: 100 }));
    const mixed: Named = { ...member('a', [], { ages: times(20, 2_000) }), ended: answered };
    expect(outliers(mixed, ...others)).toEqual([]);
  });

  it('finds nobody when all have become slow, or all have stalled', () => {
    expect(outliers(...['a', 'b', 'c', 'd'].map((name) => member(name, times(20, 3_000))))).toEqual([]);
    expect(
      outliers(...['a', 'b', 'c', 'd'].map((name) => member(name, times(20, 100), { ages: times(20, 900) }))),
    ).toEqual([]);
  });

  it('leaves alone who is slow under a greater load than the others', () => {
    expect(outliers(member('a', times(20, 2_000), { everyMs: 6 }), ...others)).toEqual([]);
    expect(outliers(member('a', times(20, 2_000), { everyMs: 7 }), ...others)).toEqual(['a']);
  });

  it('compares within a group', () => {
    const slow = ['x', 'y', 'z'].map((name) => member(name, times(20, 2_000), { group: 'v3' }));
    expect(outliers(...slow, ...others)).toEqual([]);
    expect(outliers(...slow, member('a', times(20, 9_000), { group: 'v3' }), ...others)).toEqual(['a']);
  });

  it('never finds half of those that are judged, however they do', () => {
    const latencies = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(latencies, { minLength: 3, maxLength: 9 }), (all) => {
        const found = outliers(...all.map((each, index) => member(String(index), each)));
        expect(found.length * 2).toBeLessThan(all.length + 1);
      }),
    );
  });
});

describe('LatencyWindow', () => {
  it('keeps the last attempts, and gives those that ended since', () => {
    const window = new LatencyWindow(3);
    for (const startedAt of [10, 20, 30, 40]) window.add(startedAt, 5);
    expect(
      window
        .endedSince(0)
        .map(({ startedAt }) => startedAt)
        .sort(),
    ).toEqual([20, 30, 40]);
    expect(window.endedSince(35)).toHaveLength(2);
    window.clear();
    expect(window.endedSince(0)).toEqual([]);
  });
});
