import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { durationBoundsSeconds, Histogram } from '../../src/telemetry/histogram.ts';

describe('Histogram', () => {
  it('counts a duration in the first bucket whose bound is not below it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 20_000, noNaN: true }), (ms) => {
        const histogram = new Histogram();
        histogram.observe(ms);
        const expected = [...durationBoundsSeconds, Number.POSITIVE_INFINITY].map((bound) =>
          ms <= bound * 1000 ? 1 : 0,
        );
        expect(histogram.cumulative()).toEqual(expected);
      }),
    );
  });

  it('takes each bound into its own bucket', () => {
    const histogram = new Histogram();
    for (const bound of durationBoundsSeconds) histogram.observe(bound * 1000);
    expect(histogram.cumulative()).toEqual([...durationBoundsSeconds.map((_, index) => index + 1), 14]);
  });

  it('sums in seconds', () => {
    const histogram = new Histogram();
    histogram.observe(250);
    histogram.observe(60_000);
    expect(histogram.sumSeconds).toBe(60.25);
    expect(histogram.count).toBe(2);
  });
});
