/** How the members of a service share its calls. */
export interface LoadBalancerOptions {
  /**
   * `PEAK_EWMA` (default): power of two choices by latency and load. `LEAST_REQUEST`: power of two choices by requests
   * in flight. `ROUND_ROBIN`, `RANDOM`: by weight alone.
   */
  readonly simple: 'PEAK_EWMA' | 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM';
  /** Below this share of healthy members, in percent, all of them get calls again (panic). 0–100, default 50 (Envoy). */
  readonly panicThresholdPercent: number;
}

export const loadBalancerDefaults: LoadBalancerOptions = Object.freeze({
  simple: 'PEAK_EWMA',
  panicThresholdPercent: 50,
});
