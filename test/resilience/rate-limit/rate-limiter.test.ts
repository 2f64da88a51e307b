import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../src/resilience/rate-limit/rate-limiter.ts';

function limiterOf(headerName: string | undefined): RateLimiter {
  return new RateLimiter({ maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1_000, headerName, darkMode: false }, 0);
}

const of = (tenant: string) => ['accept', '*/*', 'x-tenant', tenant];

describe('RateLimiter', () => {
  it('has one bucket without a key', () => {
    const limiter = limiterOf(undefined);
    expect([limiter.take(of('a'), 0), limiter.take(of('b'), 0)]).toEqual([0, 1_000]);
  });

  it('has a bucket for each value of its header, and one for those without', () => {
    const limiter = limiterOf('x-tenant');
    expect([limiter.take(of('a'), 0), limiter.take(of('b'), 0), limiter.take([], 0)]).toEqual([0, 0, 0]);
    expect([limiter.take(of('a'), 5), limiter.take(of('b'), 5), limiter.take([], 5)]).toEqual([995, 995, 995]);
  });

  it('keeps ten thousand values, and lets go of the one that was not asked for longest', () => {
    const limiter = limiterOf('x-tenant');
    for (let tenant = 0; tenant < 10_000; tenant++) limiter.take(of(`${tenant}`), 0);
    expect(limiter.take(of('0'), 1)).toBeGreaterThan(0);
    limiter.take(of('one more'), 1);
    expect(limiter.take(of('0'), 2)).toBeGreaterThan(0);
    expect(limiter.take(of('2'), 2)).toBeGreaterThan(0);
    expect(limiter.take(of('1'), 2)).toBe(0);
  });

  it('keeps no more of a value than 256 characters', () => {
    const limiter = limiterOf('x-tenant');
    const long = 'x'.repeat(256);
    expect(limiter.take(of(`${long}a`), 0)).toBe(0);
    expect(limiter.take(of(`${long}b`), 0)).toBe(1_000);
  });
});
