import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../../src/resilience/rate-limit/token-bucket.ts';

describe('TokenBucket', () => {
  it('begins full, and says when there are tokens again', () => {
    const bucket = new TokenBucket({ maxTokens: 2, tokensPerFill: 1, fillIntervalMs: 100 }, 1_000);
    expect([bucket.take(1_000), bucket.take(1_030), bucket.take(1_030)]).toEqual([0, 0, 70]);
    expect([bucket.take(1_100), bucket.take(1_199)]).toEqual([0, 1]);
  });

  it('holds no more than its maximum, however long nobody asks', () => {
    const bucket = new TokenBucket({ maxTokens: 3, tokensPerFill: 2, fillIntervalMs: 10 }, 0);
    const taken = Array.from({ length: 5 }, () => bucket.take(1e9));
    expect(taken.filter((waitMs) => waitMs === 0)).toHaveLength(3);
  });

  it('does what a bucket does that is filled by a timer', () => {
    const step = fc.record({ pauseMs: fc.oneof(fc.nat(30), fc.nat(500)), takes: fc.nat(6) });
    const options = fc.record({
      maxTokens: fc.integer({ min: 1, max: 8 }),
      tokensPerFill: fc.integer({ min: 1, max: 8 }),
      fillIntervalMs: fc.integer({ min: 1, max: 100 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), options, fc.nat(1_000), (steps, limits, start) => {
        const bucket = new TokenBucket(limits, start);
        let tokens = limits.maxTokens;
        let now = start;
        for (const { pauseMs, takes } of steps) {
          for (let passed = 0; passed < pauseMs; passed++) {
            now++;
            if ((now - start) % limits.fillIntervalMs === 0) {
              tokens = Math.min(limits.maxTokens, tokens + limits.tokensPerFill);
            }
          }
          for (let take = 0; take < takes; take++) {
            const leftMs = limits.fillIntervalMs - ((now - start) % limits.fillIntervalMs);
            expect(bucket.take(now)).toBe(tokens > 0 ? 0 : leftMs);
            tokens = Math.max(0, tokens - 1);
          }
        }
      }),
    );
  });

  it('never gives more than it held and was given, at instants with fractions too', () => {
    const pause = fc.double({ min: 0, max: 50, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(pause, { maxLength: 200 }),
        fc.double({ min: 0.1, max: 40, noNaN: true }),
        (pauses, every) => {
          const bucket = new TokenBucket({ maxTokens: 3, tokensPerFill: 2, fillIntervalMs: every }, 0);
          let now = 0;
          let given = 0;
          for (const pauseMs of pauses) {
            now += pauseMs;
            const waitMs = bucket.take(now);
            if (waitMs === 0) given++;
            else expect(waitMs).toBeLessThanOrEqual(every + 1e-6);
            expect(given).toBeLessThanOrEqual(3 + 2 * Math.floor(now / every + 1e-6));
          }
        },
      ),
    );
  });
});
