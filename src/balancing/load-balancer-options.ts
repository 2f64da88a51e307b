import { type HashOptions, hashDefaults } from './hash-options.ts';
import type { WarmupOptions } from './warmup.ts';

/** The load balancers by name; the keys of {@link import('./pickers.ts').pickers}. */
export type BalancerName = 'PEAK_EWMA' | 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM' | 'RING_HASH' | 'MAGLEV';

/** How the members of a service share its calls. */
export interface LoadBalancerOptions {
  /**
   * `PEAK_EWMA` (default): power of two choices by latency and load. `LEAST_REQUEST`: power of two choices by requests
   * in flight. `ROUND_ROBIN`, `RANDOM`: by weight alone. `RING_HASH`, `MAGLEV`: calls of one key to one member.
   */
  readonly name: BalancerName;
  /** Below this share of healthy members, in percent, all of them get calls again (panic). 0–100, default 50 (Envoy). */
  readonly panicThresholdPercent: number;
  /** Of `RING_HASH` and `MAGLEV`. */
  readonly hash: HashOptions;
  /** How new members get their share; undefined: at once. Default undefined. */
  readonly warmup: WarmupOptions | undefined;
}

export const loadBalancerDefaults: LoadBalancerOptions = Object.freeze({
  name: 'PEAK_EWMA',
  panicThresholdPercent: 50,
  hash: hashDefaults,
  warmup: undefined,
});
