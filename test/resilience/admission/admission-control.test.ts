import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Criticality, criticalities, criticalityRank } from '../../../src/core/criticality.ts';
import {
  AdmissionControl,
  type AdmissionOptions,
  admissionDefaults,
} from '../../../src/resilience/admission/admission-control.ts';

const slots = 20;

function controlOf(options: Partial<AdmissionOptions> = {}): AdmissionControl {
  return new AdmissionControl({ ...admissionDefaults, minRequestsPerSecond: 0, maxRejectionPercent: 100, ...options });
}

/** `requests` at the instant `now`, the first of them accepted. */
function fill(
  control: AdmissionControl,
  requests: number,
  accepts: number,
  criticality: Criticality = 'critical',
): void {
  for (let request = 0; request < requests; request++) control.add(0, criticality, request < accepts);
}

describe('AdmissionControl', () => {
  it('refuses nothing while at least one in k is accepted', () => {
    const control = controlOf();
    fill(control, 100, 50);
    expect(control.rejection(0, 'critical')).toBe(0);
  });

  it("refuses with the probability of Google's book when fewer are", () => {
    const control = controlOf();
    fill(control, 100, 20);
    expect(control.rejection(0, 'critical')).toBeCloseTo((100 - 2 * 20) / 101, 12);
  });

  it('refuses no more than its share, so that somebody notices when the trouble is over', () => {
    const control = controlOf({ maxRejectionPercent: 80 });
    fill(control, 10_000, 0);
    expect(control.rejection(0, 'critical')).toBeCloseTo(0.8, 3);
  });

  it('refuses nothing of a few calls', () => {
    const control = controlOf({ minRequestsPerSecond: 1 });
    fill(control, 119, 0);
    expect(control.rejection(0, 'critical')).toBe(0);
    control.add(0, 'critical', false);
    expect(control.rejection(0, 'critical')).toBeGreaterThan(0.9);
  });

  it('forgets what is older than its window, and all of it in a long silence', () => {
    const control = controlOf();
    fill(control, 100, 0);
    expect(control.rejection(119_999, 'critical')).toBeGreaterThan(0.9);
    expect(control.rejection(120_000, 'critical')).toBe(0);
    fill(control, 1, 0);
    expect(control.rejection(1e12, 'critical')).toBe(0);
  });

  it('takes all that it refuses from the lowest criticality, and goes on with the next only when that is used up', () => {
    const control = controlOf();
    fill(control, 50, 20, 'sheddable');
    fill(control, 50, 20, 'critical');
    // 100 - 2 * 40 = 20 are too many: two fifths of the sheddable ones, and none of the others.
    expect(control.rejection(0, 'sheddable')).toBeCloseTo(20 / 51, 12);
    expect(control.rejection(0, 'critical')).toBe(0);
    fill(control, 60, 0, 'critical');
    // 160 - 80 = 80: all of the 50 sheddable ones, and 30 of 110.
    expect(control.rejection(0, 'sheddable')).toBe(1);
    expect(control.rejection(0, 'critical')).toBeCloseTo(30 / 111, 12);
    expect(control.rejection(0, 'critical-plus')).toBe(0);
  });

  it('does what its model does', () => {
    const step = fc.record({
      pauseMs: fc.oneof(fc.constant(0), fc.nat(700), fc.constantFrom(5_000, 9_999, 10_000, 10_001, 60_000)),
      criticality: fc.constantFrom(...criticalities),
      accepted: fc.boolean(),
    });
    const windowMs = 10_000;
    const slotMs = windowMs / slots;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.double({ min: 1.01, max: 5, noNaN: true }), (steps, k) => {
        const control = controlOf({ k, windowMs, minRequestsPerSecond: 0.5, maxRejectionPercent: 90 });
        const calls: { slot: number; criticality: Criticality; accepted: boolean }[] = [];
        let now = 0;
        for (const { pauseMs, criticality, accepted } of steps) {
          now += pauseMs;
          control.add(now, criticality, accepted);
          const slot = Math.floor(now / slotMs);
          calls.push({ slot, criticality, accepted });
          const recent = calls.filter((call) => call.slot > slot - slots);
          const tooMany = Math.min(
            recent.length - k * recent.filter((call) => call.accepted).length,
            recent.length * 0.9,
          );
          let refused = 0;
          for (const kind of criticalities) {
            const own = recent.filter((call) => call.criticality === kind).length;
            const lower = recent.filter((call) => criticalityRank[call.criticality] < criticalityRank[kind]).length;
            const wanted = recent.length < 5 ? 0 : Math.min(1, Math.max(0, (tooMany - lower) / (own + 1)));
            expect(control.rejection(now, kind)).toBeCloseTo(wanted, 9);
            refused += wanted * own;
          }
          expect(refused).toBeLessThanOrEqual(Math.max(0, tooMany) + 1e-9);
        }
      }),
    );
  });
});
