import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/testing/index.ts';
import { drawLatency, type Latency, latency } from '../../src/testing/latency.ts';

/** Many draws at the instant `now`, in order of size. */
function draws(from: Latency, now = 0): number[] {
  const random = seededRandom(1);
  return Array.from({ length: 20_000 }, () => drawLatency(from, random, now)).sort((a, b) => a - b);
}

function share(sorted: readonly number[], part: number): number {
  return sorted[Math.floor(sorted.length * part)] as number;
}

describe('latency', () => {
  it('is the same each time when it is a number', () => {
    expect(new Set(draws(7))).toEqual(new Set([7]));
  });

  it('uniform spreads evenly between its ends', () => {
    const sorted = draws(latency.uniform(10, 30));
    expect(sorted[0]).toBeGreaterThanOrEqual(10);
    expect(sorted.at(-1)).toBeLessThan(30);
    expect(share(sorted, 0.25)).toBeCloseTo(15, 0);
  });

  it('normal has two thirds within its deviation, and nothing below 0', () => {
    const sorted = draws(latency.normal(100, 10));
    const near = sorted.filter((ms) => Math.abs(ms - 100) < 10).length / sorted.length;
    expect(near).toBeCloseTo(0.683, 1);
    expect(draws(latency.normal(1, 10))[0]).toBe(0);
  });

  it('logNormal has the median and the 99th percentile that it is given', () => {
    const sorted = draws(latency.logNormal(10, 200));
    expect(share(sorted, 0.5) / 10).toBeCloseTo(1, 1);
    expect(share(sorted, 0.99) / 200).toBeCloseTo(1, 0);
  });

  it('overTime draws from what holds at the instant', () => {
    const from = latency.overTime((now) => (now < 100 ? 5 : latency.uniform(50, 60)));
    expect(draws(from, 99)[0]).toBe(5);
    expect(draws(from, 100)[0]).toBeGreaterThanOrEqual(50);
  });
});
