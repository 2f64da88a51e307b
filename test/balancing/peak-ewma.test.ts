import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeakEwma } from '../../src/balancing/peak-ewma.ts';
import { fakeMember } from './fake-member.ts';

function measured(latencyMs: number, now = 0): PeakEwma {
  const load = new PeakEwma();
  load.observe(latencyMs, now, false);
  return load;
}

const idle = fakeMember();

describe('PeakEwma', () => {
  it('tries an unmeasured member at once, by one attempt', () => {
    const load = new PeakEwma();
    expect(load.cost(idle, 0)).toBe(0);
    expect(load.cost(fakeMember({ inFlight: 1 }), 0)).toBe(60);
  });

  it('costs latency times what would then be in flight', () => {
    const load = measured(100);
    expect(load.cost(idle, 0)).toBe(100);
    expect(load.cost(fakeMember({ inFlight: 3 }), 0)).toBe(400);
  });

  it('jumps to a peak and forgets it by 1/e in ten seconds', () => {
    const load = measured(10);
    load.observe(500, 1, false);
    expect(load.cost(idle, 1)).toBe(500);
    expect(load.cost(idle, 10_001)).toBeCloseTo(500 / Math.E);
  });

  it('averages samples below the peak by the time between them', () => {
    const load = measured(100);
    load.observe(10, 10_000, false);
    expect(load.cost(idle, 10_000)).toBeCloseTo(100 / Math.E + 10 * (1 - 1 / Math.E));
  });

  it('counts the age of the oldest attempt without a head', () => {
    const stalled = fakeMember({ inFlight: 1 });
    stalled.oldestWaiting = 1_000;
    expect(measured(5).cost(stalled, 3_000)).toBe(2_000 * 2);
    expect(new PeakEwma().cost(stalled, 3_000)).toBe(2_000 * 2);
  });

  it('makes a member that only fails, at once, cost more than slow ones under load', () => {
    const broken = measured(1);
    const slow = measured(100);
    expect(broken.cost(idle, 0)).toBeLessThan(slow.cost(idle, 0));
    for (let failures = 0; failures < 20; failures++) broken.observe(1, failures, true);
    expect(broken.cost(idle, 20)).toBeGreaterThan(slow.cost(fakeMember({ inFlight: 50 }), 20));
    for (let failures = 20; failures < 100; failures++) broken.observe(1, failures, true);
    expect(broken.cost(idle, 100)).toBeGreaterThan(slow.cost(fakeMember({ inFlight: 5_000 }), 100));
  });

  it('lets a failed member come back to members of 100 ms within half a minute, for one attempt if it fails', () => {
    const load = new PeakEwma();
    load.observe(1, 0, true);
    expect(load.cost(idle, 20_000)).toBeGreaterThan(100);
    expect(load.cost(idle, 30_000)).toBeLessThan(100);
    load.observe(1, 30_000, true);
    expect(load.cost(idle, 30_000)).toBeGreaterThan(10_000);
  });

  it('forgets one failure after a few successes', () => {
    const load = measured(20);
    load.observe(20, 1, true);
    expect(load.cost(idle, 1)).toBeGreaterThan(100);
    for (let success = 0; success < 25; success++) load.observe(20, 2 + success, false);
    expect(load.cost(idle, 27)).toBeLessThan(30);
  });

  it('does not take a fast failure for a fast answer', () => {
    const load = measured(100);
    load.observe(1, 0, true);
    expect(load.cost(idle, 0)).toBeGreaterThanOrEqual(100);
  });

  it('is never negative, NaN or infinite', () => {
    const observation = fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.nat(100_000), fc.boolean());
    fc.assert(
      fc.property(fc.array(observation), fc.nat(1_000), fc.nat(1_000_000), (observations, inFlight, later) => {
        const load = new PeakEwma();
        let now = 0;
        for (const [latencyMs, pause, failed] of observations) {
          now += pause;
          load.observe(latencyMs, now, failed);
        }
        const cost = load.cost(fakeMember({ inFlight }), now + later);
        expect(Number.isFinite(cost)).toBe(true);
        expect(cost).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
