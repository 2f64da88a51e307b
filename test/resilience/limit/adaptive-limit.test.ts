import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { type AdaptiveLimit, adaptiveLimitDefaults } from '../../../src/resilience/limit/adaptive-limit.ts';
import { Gradient2 } from '../../../src/resilience/limit/gradient2.ts';
import { SampleWindow } from '../../../src/resilience/limit/sample-window.ts';
import { Vegas } from '../../../src/resilience/limit/vegas.ts';

const options = { ...adaptiveLimitDefaults, maxLimit: 500 };
const algorithms: readonly [string, () => AdaptiveLimit][] = [
  ['Vegas', () => new Vegas(options, seededRandom(1))],
  ['Gradient2', () => new Gradient2(options)],
];

/** A service that takes `capacity` calls at once without a wait, under as many calls as the limit lets in. */
function drive(limit: AdaptiveLimit, capacity: number, windows: number, latencyMs = 50): void {
  for (let window = 0; window < windows; window++) {
    const inFlight = Math.floor(limit.limit);
    limit.sample({ latencyMs: latencyMs * Math.max(1, inFlight / capacity), inFlight, dropped: false });
  }
}

describe.each(algorithms)('%s', (_name, open) => {
  it('grows to what the service takes', () => {
    const limit = open();
    drive(limit, 100, 400);
    expect(limit.limit).toBeGreaterThanOrEqual(100);
  });

  it('shrinks when the service becomes slower under the same calls, and grows when it has recovered', () => {
    const limit = open();
    drive(limit, 100, 400);
    const before = limit.limit;
    for (let window = 0; window < 20; window++) limit.sample({ latencyMs: 5_000, inFlight: 200, dropped: false });
    const during = limit.limit;
    expect(during).toBeLessThan(before / 1.2);
    drive(limit, 100, 400);
    expect(limit.limit).toBeGreaterThanOrEqual(100);
  });

  it('shrinks with each window in which the service had no room, down to the least', () => {
    const limit = open();
    drive(limit, 100, 400);
    const before = limit.limit;
    limit.sample({ latencyMs: 50, inFlight: 100, dropped: true });
    expect(limit.limit).toBeLessThan(before);
    for (let window = 0; window < 2_000; window++) limit.sample({ latencyMs: 50, inFlight: 100, dropped: true });
    expect(limit.limit).toBe(4);
  });

  it('learns nothing about a limit that is not used to its half', () => {
    const limit = open();
    const { limit: before } = limit;
    for (let window = 0; window < 100; window++) limit.sample({ latencyMs: 50, inFlight: 9, dropped: false });
    expect(limit.limit).toBe(before);
  });

  it('stays within its bounds, whatever it is told', () => {
    const limit = open();
    const random = seededRandom(7);
    for (let window = 0; window < 5_000; window++) {
      const latencyMs = random.next() < 0.1 ? 0 : 10 ** (random.next() * 6 - 2);
      limit.sample({ latencyMs, inFlight: Math.ceil(random.next() * 600), dropped: random.next() < 0.05 });
      expect(limit.limit).toBeGreaterThanOrEqual(4);
      expect(limit.limit).toBeLessThanOrEqual(500);
    }
  });
});

describe('Vegas', () => {
  it.each([10, 100])('comes to a little more than what the service takes: %i', (capacity) => {
    const limit = new Vegas(options, seededRandom(1));
    drive(limit, capacity, 400);
    expect(limit.limit).toBeGreaterThanOrEqual(capacity);
    expect(limit.limit).toBeLessThan(capacity + 20);
  });

  it('forgets the shortest latency by and by, so that a service that is slower for good is not starved', () => {
    const limit = new Vegas(options, seededRandom(3));
    drive(limit, 100, 400, 10);
    drive(limit, 100, 1_500, 200);
    expect(limit.limit).toBeGreaterThanOrEqual(100);
  });
});

describe('a window of samples', () => {
  it('says the mean, the most in flight, and whether one was dropped', () => {
    const window = new SampleWindow();
    for (let call = 0; call < 10; call++) expect(window.add(call, 10, call, false)).toBeUndefined();
    expect(window.add(1_000, 120, 3, true)).toEqual({ latencyMs: 20, inFlight: 9, dropped: true });
  });

  it('is full after 100 ms of many calls', () => {
    const window = new SampleWindow();
    for (let call = 0; call < 249; call++) expect(window.add(call / 4, 10, 1, false)).toBeUndefined();
    expect(window.add(99, 10, 1, false)).toBeUndefined();
    expect(window.add(100, 10, 1, false)).toMatchObject({ latencyMs: 10 });
  });

  it('is full after a second of fewer calls, and has ten at least', () => {
    const window = new SampleWindow();
    for (let call = 0; call < 20; call++) expect(window.add(call * 49, 10, 1, false)).toBeUndefined();
    expect(window.add(1_000, 10, 1, false)).toMatchObject({ latencyMs: 10 });
    for (let call = 0; call < 9; call++) expect(window.add(2_000 + call * 500, 10, 1, false)).toBeUndefined();
    expect(window.add(9_000, 10, 1, false)).toMatchObject({ latencyMs: 10 });
  });

  it('does not take the noise of few calls for waiting', () => {
    const random = seededRandom(5);
    const window = new SampleWindow();
    const limit = new Vegas(options, random);
    // 200 calls a second, whose latencies differ much and do not depend on the load.
    for (let call = 0; call < 20_000; call++) {
      const latencyMs = 50 * Math.exp(random.next() + random.next() - 1);
      const sample = window.add(call * 5, latencyMs, limit.limit, false);
      if (sample !== undefined) limit.sample(sample);
    }
    expect(limit.limit).toBeGreaterThan(25);
  });
});
