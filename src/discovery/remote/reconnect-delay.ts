/**
 * How long does a watch wait before it asks a registry again that did not answer? Longer each time, and at random, so
 * that a fleet that lost its registry at one instant does not come back at one instant (equal jitter: half of the wait
 * is fixed, half is random).
 */
import type { Random } from '../../core/random.ts';

/** How waits grow. */
export interface ReconnectOptions {
  /** The first wait is at most this and at least half of it, in ms; each further one is twice as long. Default 250. */
  readonly backoffMs: number;
  /** No wait is longer, in ms. Default 1,000: a registry that is back is noticed within a second. */
  readonly maxBackoffMs: number;
}

export const reconnectDefaults: ReconnectOptions = Object.freeze({ backoffMs: 250, maxBackoffMs: 1_000 });

/** The waits of one watch. */
export class ReconnectDelay {
  private readonly random: Random;
  private readonly options: ReconnectOptions;
  private failures = 0;

  constructor(random: Random, options: ReconnectOptions = reconnectDefaults) {
    this.random = random;
    this.options = options;
  }

  /** The next wait, in ms. */
  next(): number {
    const { backoffMs, maxBackoffMs } = this.options;
    const longest = Math.min(maxBackoffMs, backoffMs * 2 ** this.failures);
    this.failures++;
    return longest * (0.5 + 0.5 * this.random.next());
  }

  /** The registry answered: the next wait is a first one again. */
  reset(): void {
    this.failures = 0;
  }
}
