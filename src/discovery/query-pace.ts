/**
 * How often may a watch ask while everything changes all the time? At once for a few changes, so that a single one is
 * told within milliseconds, and then ten times a second (a token bucket): each answer holds the whole state, so that
 * whoever asks less often misses nothing.
 */

/** So many queries are free. */
const burst = 10;

/** And then one each, in ms. */
const intervalMs = 100;

/** The pace of one watch. */
export class QueryPace {
  private tokens = burst;
  private countedAt: number | undefined;

  /**
   * Counts a query at the instant `now`.
   *
   * @returns how long it has to wait, in ms.
   */
  next(now: number): number {
    const passedMs = now - (this.countedAt ?? now);
    this.countedAt = now;
    this.tokens = Math.min(burst, this.tokens + passedMs / intervalMs) - 1;
    return this.tokens >= 0 ? 0 : -this.tokens * intervalMs;
  }
}
