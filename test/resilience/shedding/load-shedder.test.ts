import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Criticality, criticalities } from '../../../src/core/criticality.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { LoadShedder, type ShedOptions, shedDefaults } from '../../../src/resilience/shedding/load-shedder.ts';

function shedderOf(options: Partial<ShedOptions> = {}): LoadShedder {
  return new LoadShedder({ ...shedDefaults, ...options }, seededRandom(5));
}

/** The share that is turned away. */
function shareAt(delayMs: number, criticality: Criticality): number {
  const shedder = shedderOf();
  let shed = 0;
  for (let request = 0; request < 2_000; request++) if (shedder.refusal(criticality, 0, delayMs) !== undefined) shed++;
  return shed / 2_000;
}

describe('LoadShedder', () => {
  it('turns nobody away while the event loop is in time', () => {
    expect(criticalities.map((criticality) => shareAt(50, criticality))).toEqual([0, 0, 0, 0]);
  });

  it('turns calls without a criticality away from its threshold on, and all of them at 1.25 times that', () => {
    expect(shareAt(100, 'critical')).toBe(0);
    expect(shareAt(112.5, 'critical')).toBeCloseTo(0.5, 1);
    expect(shareAt(125, 'critical')).toBe(1);
  });

  it('touches nobody while one of a lower criticality is served', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 300, noNaN: true }), (delayMs) => {
        const shedder = shedderOf();
        let lowerServed = false;
        for (const criticality of criticalities) {
          const shed = Array.from({ length: 20 }, () => shedder.refusal(criticality, 0, delayMs) !== undefined);
          if (lowerServed) expect(shed).not.toContain(true);
          if (shed.includes(false)) lowerServed = true;
        }
      }),
    );
  });

  it('has room for more of the more critical, and for anybody when it serves nobody', () => {
    const shedder = shedderOf({ maxInFlight: 8 });
    const most = criticalities.map((criticality) => {
      let inFlight = 0;
      while (shedder.refusal(criticality, inFlight, 0) === undefined) inFlight++;
      return inFlight;
    });
    expect(most).toEqual([4, 6, 8, 10]);
    expect(shedderOf({ maxInFlight: 1 }).refusal('sheddable', 0, 0)).toBeUndefined();
    expect(shedderOf({ maxInFlight: 1 }).refusal('critical', 1, 0)).toBe('in-flight');
  });
});
