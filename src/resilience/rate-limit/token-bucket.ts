/** How many calls there may be, and how often. The names are those of Envoy's local rate limit. */
export interface TokenBucketOptions {
  /** What a bucket holds, and begins with: the most calls at once. An integer ≥ 1. */
  readonly maxTokens: number;
  /** What is added at each fill. An integer from 1 to {@link maxTokens}, default 1. */
  readonly tokensPerFill: number;
  /** The time between two fills, in ms, > 0. */
  readonly fillIntervalMs: number;
}

/**
 * A token for each call, and none left is a refusal. It fills in whole steps, as the options say, and is brought up to
 * date when it is asked: there is no timer.
 */
export class TokenBucket {
  private readonly options: TokenBucketOptions;
  private tokens: number;
  private filledAt: number;

  /** @param now when the first interval begins. */
  constructor(options: TokenBucketOptions, now: number) {
    this.options = options;
    this.tokens = options.maxTokens;
    this.filledAt = now;
  }

  /**
   * Takes a token at the instant `now`.
   *
   * @returns 0; or, when there is none, the time until there are some again, in ms, > 0.
   */
  take(now: number): number {
    const { maxTokens, tokensPerFill, fillIntervalMs } = this.options;
    const fills = Math.floor((now - this.filledAt) / fillIntervalMs);
    if (fills > 0) {
      this.tokens = Math.min(maxTokens, this.tokens + fills * tokensPerFill);
      this.filledAt += fills * fillIntervalMs;
    }
    // What rounding leaves of an interval is not nothing.
    if (this.tokens === 0) return Math.max(Number.MIN_VALUE, this.filledAt + fillIntervalMs - now);
    this.tokens--;
    return 0;
  }
}
