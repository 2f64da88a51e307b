import { describe, expect, it } from 'vitest';
import { asPercent, percentile, percentOf, versionShares } from '../../../examples/bookinfo/figures.ts';
import type { Sample } from '../../../examples/bookinfo/load.ts';

const page = (part: Partial<Sample>): Sample => ({
  dueAt: 0,
  latencyMs: 1,
  user: undefined,
  failure: undefined,
  version: 'v1',
  stars: false,
  ...part,
});

describe('the figures of the demo', () => {
  it('take the latency that 99 of 100 pages do not exceed as p99', () => {
    const samples = Array.from({ length: 200 }, (_, index) => page({ latencyMs: 200 - index }));
    expect(percentile(samples, 0.99)).toBe(198);
    expect(percentile(samples, 0.5)).toBe(100);
    expect(percentile(samples, 1)).toBe(200);
    expect(percentile([page({ latencyMs: 7 })], 0.01)).toBe(7);
  });

  it('are not a number without pages', () => {
    expect(percentile([], 0.5)).toBeNaN();
    expect(percentOf([], () => true)).toBeNaN();
  });

  it('give each version its share, and pages without reviews too', () => {
    const samples = [page({}), page({ version: 'v3' }), page({}), page({ version: undefined })];
    expect(versionShares(samples)).toEqual([
      ['none', 25],
      ['v1', 50],
      ['v3', 25],
    ]);
  });

  it('never round a failure away', () => {
    expect(asPercent(99.99)).not.toBe('100 %');
    expect(asPercent(100)).toBe('100 %');
    expect(asPercent(0.01)).not.toBe('0 %');
  });
});
