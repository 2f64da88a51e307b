/**
 * How often may a watch ask while everything changes all the time? At once for a few changes, so that a single one is
 * told within milliseconds, and then so that reading the answers takes a fifth of the time at most (a token bucket): each
 * answer holds the whole state, so that whoever asks less often misses nothing.
 */

/** So many queries are free. */
const burst = 10;

/** And then one in this time at most, in ms. */
const minIntervalMs = 10;
const maxIntervalMs = 1_000;

/** The interval in times of what an answer takes to be read. */
const share = 5;

/** The pace of one watch. */
export class QueryPace {
  private tokens = burst;
  private intervalMs = minIntervalMs;
  private countedAt: number | undefined;

  /**
   * Counts a query at the instant `now`.
   *
   * @returns how long it has to wait, in ms.
   */
  next(now: number): number {
    const passedMs = now - (this.countedAt ?? now);
    this.countedAt = now;
    this.tokens = Math.min(burst, this.tokens + passedMs / this.intervalMs) - 1;
    return this.tokens >= 0 ? 0 : -this.tokens * this.intervalMs;
  }

  /** An answer took `readMs` to be read. */
  answered(readMs: number): void {
    this.intervalMs = Math.min(maxIntervalMs, Math.max(minIntervalMs, readMs * share));
  }
}
