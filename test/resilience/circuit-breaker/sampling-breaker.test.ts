import { CircuitState } from 'cockatiel';
import { describe, expect, it } from 'vitest';
import {
  type CircuitBreakerOptions,
  circuitBreakerDefaults,
} from '../../../src/resilience/circuit-breaker/circuit-breaker.ts';
import { SamplingBreaker } from '../../../src/resilience/circuit-breaker/sampling-breaker.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

function setUp(options: Partial<CircuitBreakerOptions> = {}) {
  const clock = new VirtualClock();
  const breaker = new SamplingBreaker(clock, { ...circuitBreakerDefaults, ...options });
  const succeed = (times: number) => {
    for (let time = 0; time < times; time++) breaker.success(CircuitState.Closed);
  };
  /** Whether the last of the failures opens. */
  const fail = (times: number) => {
    let opens = false;
    for (let time = 0; time < times; time++) opens = breaker.failure();
    return opens;
  };
  return { clock, breaker, succeed, fail };
}

describe('SamplingBreaker', () => {
  it('opens at the share of failures, from the least number of requests on', () => {
    const { succeed, fail } = setUp();
    expect(fail(9)).toBe(false);
    succeed(10);
    expect(fail(1)).toBe(true);
  });

  it('stays closed below the share', () => {
    const { succeed, fail } = setUp();
    succeed(100);
    expect(fail(99)).toBe(false);
    expect(fail(1)).toBe(true);
  });

  it('forgets what is older than its window', async () => {
    const { clock, fail } = setUp();
    expect(fail(19)).toBe(false);
    await clock.advance(10_000);
    expect(fail(19)).toBe(false);
    await clock.advance(3_600_000);
    expect(fail(19)).toBe(false);
    expect(fail(1)).toBe(true);
  });

  it('forgets all of its window in a long silence', async () => {
    const { clock, fail } = setUp();
    for (let slot = 0; slot < 15; slot++) {
      fail(1);
      await clock.advance(1_000);
    }
    await clock.advance(3_600_000);
    expect(fail(19)).toBe(false);
  });

  it('slides: half a window later the first half still counts', async () => {
    const { clock, fail } = setUp();
    fail(10);
    await clock.advance(5_000);
    expect(fail(10)).toBe(true);
  });

  it('opens after failures in a row when asked to', () => {
    const { succeed, fail } = setUp({ consecutiveErrors: 3, errorPercent: 0 });
    expect(fail(2)).toBe(false);
    succeed(1);
    expect(fail(2)).toBe(false);
    expect(fail(1)).toBe(true);
  });

  it('never opens when both criteria are off', () => {
    expect(setUp({ consecutiveErrors: 0, errorPercent: 0 }).fail(1_000)).toBe(false);
  });

  it('starts afresh after a good probe', () => {
    const { breaker, fail } = setUp({ consecutiveErrors: 5 });
    fail(30);
    breaker.success(CircuitState.HalfOpen);
    expect(fail(4)).toBe(false);
  });

  it('can be saved and restored', () => {
    const { breaker, fail } = setUp();
    fail(19);
    const other = setUp();
    other.breaker.state = structuredClone(breaker.state);
    expect(other.fail(1)).toBe(true);
  });
});
