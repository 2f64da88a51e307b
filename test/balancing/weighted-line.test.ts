import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WeightedLine } from '../../src/balancing/weighted-line.ts';

describe('WeightedLine', () => {
  it('finds the item under a point, ends belonging to the next', () => {
    const line = new WeightedLine([2, 1, 3]);
    expect([0, 1.999, 2, 2.999, 3, 5.999].map((point) => line.at(point))).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('knows its length, its heaviest item and whether all are alike', () => {
    expect(new WeightedLine([2, 1, 3])).toMatchObject({ total: 6, heaviest: 3, even: false });
    expect(new WeightedLine([4, 4])).toMatchObject({ total: 8, heaviest: 4, even: true });
  });

  it('agrees with a search from the left', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(weights, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (items, share) => {
        const line = new WeightedLine(items);
        const point = share * line.total;
        let end = 0;
        const expected = items.findIndex((weight) => {
          end += weight;
          return point < end;
        });
        expect(line.at(point)).toBe(expected < 0 ? items.length - 1 : expected);
      }),
    );
  });
});
