import { describe, expect, it } from 'vitest';
import { HedgeDelay } from '../../../src/resilience/hedge/hedge-delay.ts';

/** Records latencies, one a millisecond from `from` on. */
function feed(delay: HedgeDelay, from: number, latencies: readonly number[]): number {
  latencies.forEach((latencyMs, index) => {
    delay.record(from + index, latencyMs);
  });
  return from + latencies.length;
}

const even = (count: number) => Array.from({ length: count }, (_, index) => (index % 100) + 1);

describe('the delay of hedges', () => {
  it('is not known before one attempt is expected above it', () => {
    const delay = new HedgeDelay(1);
    feed(delay, 0, even(99));
    expect(delay.at(99)).toBeUndefined();
    delay.record(100, 50);
    expect(delay.at(100)).toBeGreaterThan(0);
  });

  it.each([
    [1, 99],
    [10, 90],
    [50, 50],
  ])('leaves %i percent above it', (percent, expectedMs) => {
    const delay = new HedgeDelay(percent);
    const now = feed(delay, 0, even(1_000));
    const delayMs = delay.at(now) as number;
    expect(delayMs).toBeGreaterThanOrEqual(expectedMs * 0.99);
    expect(delayMs).toBeLessThan(expectedMs * 1.1);
  });

  it('is looked up every three seconds, and forgets what is older than half a minute', () => {
    const delay = new HedgeDelay(10);
    let now = feed(delay, 0, Array(1_000).fill(10));
    const before = delay.at(now) as number;
    now = feed(delay, now, Array(1_000).fill(1_000));
    expect(delay.at(now)).toBe(before);
    for (let window = 0; window < 4; window++) now = feed(delay, now + 10_000, Array(200).fill(1_000));
    expect(delay.at(now)).toBeGreaterThanOrEqual(1_000);
  });

  it('is a millisecond at least', () => {
    const delay = new HedgeDelay(1);
    const now = feed(delay, 0, Array(200).fill(0.01));
    expect(delay.at(now)).toBe(1);
  });

  it('takes any latency', () => {
    const delay = new HedgeDelay(1);
    const now = feed(delay, 0, [...Array(100).fill(0), 1e9, ...Array(99).fill(5)]);
    expect(delay.at(now)).toBeGreaterThanOrEqual(5);
  });
});
