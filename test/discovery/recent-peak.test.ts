import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecentPeak } from '../../src/discovery/recent-peak.ts';

describe('a recent peak', () => {
  it('is the most since an instant, what held then included', () => {
    const steps = fc.array(fc.record({ afterMs: fc.nat(50), count: fc.nat(20) }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.nat(500), (all, windowMs) => {
        const peak = new RecentPeak();
        let now = 0;
        const history = all.map(({ afterMs, count }) => {
          now += afterMs;
          peak.add(now, count);
          return { at: now, count };
        });
        const since = now - windowMs;
        const firstInside = history.findIndex(({ at }) => at > since);
        const from = firstInside === -1 ? history.length - 1 : Math.max(0, firstInside - 1);
        expect(peak.since(since)).toBe(Math.max(...history.slice(from).map(({ count }) => count)));
      }),
    );
  });

  it('does not count those that went as they should', () => {
    const peak = new RecentPeak();
    peak.add(0, 10);
    peak.excuse(4);
    peak.add(1, 6);
    expect(peak.since(-1)).toBe(6);
  });
});
