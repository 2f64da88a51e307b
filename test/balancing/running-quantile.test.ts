import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunningQuantile } from '../../src/balancing/running-quantile.ts';

describe('RunningQuantile', () => {
  it('is 0 without samples', () => {
    expect(new RunningQuantile(0.84, 8).value).toBe(0);
  });

  it('is what sorting the last samples gives', () => {
    const samples = fc.array(fc.oneof(fc.nat(20), fc.nat(2_000)), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        samples,
        fc.constantFrom(0, 0.5, 0.84, 1),
        fc.integer({ min: 1, max: 20 }),
        (all, quantile, window) => {
          const running = new RunningQuantile(quantile, window);
          all.forEach((sample, index) => {
            running.add(sample);
            const last = all
              .slice(Math.max(0, index + 1 - window), index + 1)
              .map((value) => Math.min(value, 1_023))
              .sort((a, b) => a - b);
            expect(running.value).toBe(last[Math.max(0, Math.ceil(quantile * last.length) - 1)]);
          });
        },
      ),
    );
  });
});
