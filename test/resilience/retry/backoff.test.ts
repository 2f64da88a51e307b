import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { fullJitterBackoff } from '../../../src/resilience/retry/backoff.ts';

/** The first `count` waits, with a random source that always gives `value`. */
function waits(value: number, count: number, options?: { baseMs: number; maxMs: number }): number[] {
  let backoff = fullJitterBackoff({ next: () => value }, options).next(undefined);
  const durations = [backoff.duration];
  while (durations.length < count) {
    backoff = backoff.next(undefined);
    durations.push(backoff.duration);
  }
  return durations;
}

describe('fullJitterBackoff', () => {
  it('grows as Envoy does, up to the cap', () => {
    expect(waits(1, 6)).toEqual([25, 75, 175, 250, 250, 250]);
  });

  it('may wait not at all', () => {
    expect(waits(0, 3)).toEqual([0, 0, 0]);
  });

  it('takes other figures', () => {
    expect(waits(1, 4, { baseMs: 10, maxMs: 60 })).toEqual([10, 30, 60, 60]);
  });

  it('spreads evenly below the bound', () => {
    const factory = fullJitterBackoff(seededRandom(1));
    const first = Array.from({ length: 4_000 }, () => factory.next(undefined).duration);
    expect(Math.min(...first)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...first)).toBeLessThan(25);
    expect(first.reduce((sum, ms) => sum + ms, 0) / first.length).toBeCloseTo(12.5, 0);
  });

  it('starts anew for each call', () => {
    const factory = fullJitterBackoff({ next: () => 1 });
    factory.next(undefined).next(undefined);
    expect(factory.next(undefined).duration).toBe(25);
  });
});
