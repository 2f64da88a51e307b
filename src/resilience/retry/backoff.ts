/**
 * How long to wait before a retry? A random part of a bound that grows, so that the callers of a server that stumbled do
 * not come back all at once.
 */
import { ExponentialBackoff, type IBackoffFactory } from 'cockatiel';
import type { Random } from '../../core/random.ts';

/** Bounds of {@link fullJitterBackoff}. */
export interface BackoffOptions {
  /** The bound of the first wait, in ms. > 0, default 25. */
  readonly baseMs: number;
  /** No bound is greater, in ms. ≥ `baseMs`, default 250. */
  readonly maxMs: number;
}

/** Envoy's figures. */
export const backoffDefaults: BackoffOptions = Object.freeze({ baseMs: 25, maxMs: 250 });

/**
 * Envoy's backoff: the wait before the n-th retry is uniform in [0, (2^n - 1) · `baseMs`), and that bound is never above
 * `maxMs`. A cockatiel factory, as users may pass one of their own; with the mesh's randomness, so that a simulation
 * can be replayed (cockatiel's generators bring their own).
 */
export function fullJitterBackoff(random: Random, options: BackoffOptions = backoffDefaults): IBackoffFactory<unknown> {
  return new ExponentialBackoff<number>({
    initialDelay: options.baseMs,
    maxDelay: options.maxMs,
    generator: (retries = 0, { initialDelay, maxDelay }) => {
      const bound = Math.min((2 ** (retries + 1) - 1) * initialDelay, maxDelay);
      return [random.next() * bound, retries + 1];
    },
  });
}
