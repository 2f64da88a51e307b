import { type HashOptions, hashDefaults } from './hash-options.ts';
import { type PrequalOptions, prequalDefaults } from './prequal-options.ts';
import type { WarmupOptions } from './warmup.ts';
import { type WeightedRoundRobinOptions, weightedRoundRobinDefaults } from './weighted-round-robin-options.ts';

/** The load balancers by name; the keys of {@link import('./pickers.ts').pickers}. */
export type BalancerName =
  | 'PEAK_EWMA'
  | 'LEAST_REQUEST'
  | 'ROUND_ROBIN'
  | 'RANDOM'
  | 'RING_HASH'
  | 'MAGLEV'
  | 'WEIGHTED_ROUND_ROBIN'
  | 'PREQUAL';

/** How the members of a service share its calls. */
export interface LoadBalancerOptions {
  /**
   * `PEAK_EWMA` (default): power of two choices by latency and load. `LEAST_REQUEST`: power of two choices by requests
   * in flight. `ROUND_ROBIN`, `RANDOM`: by weight alone. `RING_HASH`, `MAGLEV`: calls of one key to one member.
   * `WEIGHTED_ROUND_ROBIN`: by weights that members report. `PREQUAL`: the best of some that were probed lately.
   */
  readonly name: BalancerName;
  /** Below this share of healthy members, in percent, all of them get calls again (panic). 0–100, default 50 (Envoy). */
  readonly panicThresholdPercent: number;
  /**
   * How many endpoints are used, of each locality where these are looked at; undefined for all. ≥ 1, default undefined.
   * Not with `RING_HASH` and `MAGLEV`: processes would disagree on the keys.
   */
  readonly subsetSize: number | undefined;
  /** Of `RING_HASH` and `MAGLEV`. */
  readonly hash: HashOptions;
  /** How new members get their share; undefined: at once. Default undefined. */
  readonly warmup: WarmupOptions | undefined;
  /** Of `WEIGHTED_ROUND_ROBIN`. */
  readonly weightedRoundRobin: WeightedRoundRobinOptions;
  /** Of `PREQUAL`. */
  readonly prequal: PrequalOptions;
}

export const loadBalancerDefaults: LoadBalancerOptions = Object.freeze({
  name: 'PEAK_EWMA',
  panicThresholdPercent: 50,
  subsetSize: undefined,
  hash: hashDefaults,
  warmup: undefined,
  weightedRoundRobin: weightedRoundRobinDefaults,
  prequal: prequalDefaults,
});
