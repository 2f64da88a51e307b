import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { Split } from '../../src/routing/split.ts';

describe('Split', () => {
  it('shares the choices by weight', () => {
    const split = new Split([
      { weight: 90, value: 'v1' },
      { weight: 10, value: 'v3' },
    ]);
    const random = seededRandom(1);
    let first = 0;
    for (let call = 0; call < 10_000; call++) if (split.choose(random) === 'v1') first++;
    // Five standard deviations of a binomial distribution: √(10,000 · 0.9 · 0.1) = 30.
    expect(Math.abs(first - 9_000)).toBeLessThan(150);
  });

  it('never chooses a weight of 0, whatever the random number', () => {
    const part = fc.nat({ max: 3 });
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), unit, (weights, point) => {
        fc.pre(weights.some((weight) => weight > 0));
        const split = new Split(weights.map((weight, value) => ({ weight, value })));
        expect(weights[split.choose({ next: () => point })]).toBeGreaterThan(0);
      }),
    );
  });

  it('draws no random number for a single value', () => {
    const split = new Split([{ weight: 7, value: 'only' }]);
    const random = {
      next() {
        throw new Error('drawn');
      },
    };
    expect(split.choose(random)).toBe('only');
  });

  it('is refused when nothing has a weight', () => {
    expect(() => new Split([{ weight: 0, value: 'a' }])).toThrow('a split needs a weight above 0');
  });
});
