import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueryPace } from '../../../src/discovery/consul/query-pace.ts';

describe('QueryPace', () => {
  it('lets a change be asked for at once when it was quiet before', () => {
    const pace = new QueryPace();
    for (let query = 0; query < 100; query++) expect(pace.next(query * 100)).toBe(0);
  });

  it('lets ten queries in a row pass, and then one each five times what an answer takes', () => {
    const pace = new QueryPace();
    pace.answered(20);
    let now = 0;
    const waits = Array.from({ length: 14 }, () => {
      const waitMs = pace.next(now);
      now += waitMs;
      return Math.round(waitMs);
    });
    expect(waits).toEqual([...Array(10).fill(0), 100, 100, 100, 100]);
  });

  it.each([
    [0, 10],
    [1, 10],
    [50, 250],
    [10_000, 1_000],
  ])('takes answers of %i ms for a wait of %i ms', (readMs, waitMs) => {
    const pace = new QueryPace();
    pace.answered(readMs);
    for (let query = 0; query < 10; query++) expect(pace.next(0)).toBe(0);
    expect(pace.next(0)).toBeCloseTo(waitMs);
  });

  it('never lets more pass than ten and one each 100 ms, when an answer takes 20', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 250 }), { maxLength: 200 }), (gaps) => {
        const pace = new QueryPace();
        pace.answered(20);
        const asked: number[] = [];
        let now = 0;
        for (const gap of gaps) {
          now += gap;
          now += pace.next(now);
          asked.push(now);
        }
        asked.forEach((instant, index) => {
          const before = asked[index - 20];
          if (before !== undefined) expect(instant - before).toBeGreaterThanOrEqual(1_000 - 0.001);
        });
      }),
    );
  });
});
