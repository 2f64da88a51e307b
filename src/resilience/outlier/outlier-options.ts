/**
 * When is an endpoint an outlier, and for how long does it get no calls?
 */

/** By success rate, as a share of the others' in standard deviations (Envoy's `success_rate_*`). */
export interface SuccessRateOptions {
  /** This many endpoints need {@link requestVolume} attempts in the interval. ≥ 2, default 5 (Envoy). */
  readonly minimumHosts: number;
  /** An endpoint with fewer attempts in the interval is neither judged nor counted. Default 100 (Envoy). */
  readonly requestVolume: number;
  /** Ejects below the mean of the rates minus this many standard deviations. Default 1.9 (Envoy). */
  readonly stdevFactor: number;
}

/** By the share of failures alone (Envoy's `failure_percentage_*`). */
export interface FailurePercentageOptions {
  /** Ejects at this share of failures, in percent. Default 85 (Envoy). */
  readonly threshold: number;
  /** This many endpoints need {@link requestVolume} attempts in the interval. Default 5 (Envoy). */
  readonly minimumHosts: number;
  /** An endpoint with fewer attempts in the interval is not judged. Default 50 (Envoy). */
  readonly requestVolume: number;
}

/** By latency against the others'; see {@link import('./latency-outlier.ts').latencyOutliers}. */
export interface LatencyOutlierOptions {
  /** Slow is what takes this many times the median of the others. > 1, default 3. */
  readonly factor: number;
  /** And at least this long, in ms: below it nobody is slow. Default 200. */
  readonly minimumMs: number;
  /** So many attempts within the interval are looked at, the last ones; with fewer it is not judged. Default 20. */
  readonly requestVolume: number;
}

/** When an endpoint is ejected, and for how long. Zero or undefined switches a criterion off. */
export interface OutlierOptions {
  /** This many failures in a row that are a status ≥ 500 or a local-origin failure. Default 5. */
  readonly consecutive5xxErrors: number;
  /** This many 502, 503 or 504 in a row. Default 0: off. */
  readonly consecutiveGatewayErrors: number;
  /** This many failures in a row without a head: refused, reset, timed out. Default 5. */
  readonly consecutiveLocalOriginFailures: number;
  /**
   * Default off, unlike Envoy's: where nearly all calls succeed the deviation is so small that one failure in two hundred
   * makes an outlier, of a member that retries cover well.
   */
  readonly successRate: SuccessRateOptions | undefined;
  /** Default off, as in Envoy. */
  readonly failurePercentage: FailurePercentageOptions | undefined;
  /** Default off. */
  readonly latency: LatencyOutlierOptions | undefined;
  /** How often rates are looked at, and ejections to be ended, in ms. Default 10,000. */
  readonly intervalMs: number;
  /** The first ejection lasts this long, the n-th in a row n times as long, in ms. Default 30,000. */
  readonly baseEjectionMs: number;
  /** No ejection lasts longer, in ms. Default 300,000. */
  readonly maxEjectionMs: number;
  /** At most this share of the members, in percent (one is always allowed, all never). 0 ejects none. Default 50. */
  readonly maxEjectionPercent: number;
}

export const outlierDefaults: OutlierOptions = Object.freeze({
  consecutive5xxErrors: 5,
  consecutiveGatewayErrors: 0,
  consecutiveLocalOriginFailures: 5,
  successRate: undefined,
  failurePercentage: undefined,
  latency: undefined,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 50,
});

/** What holds for a {@link OutlierOptions.successRate} that says nothing itself. */
export const successRateDefaults: SuccessRateOptions = Object.freeze({
  minimumHosts: 5,
  requestVolume: 100,
  stdevFactor: 1.9,
});

/** What holds for a {@link OutlierOptions.failurePercentage} that says nothing itself. */
export const failurePercentageDefaults: FailurePercentageOptions = Object.freeze({
  threshold: 85,
  minimumHosts: 5,
  requestVolume: 50,
});

/** What holds for a {@link OutlierOptions.latency} that says nothing itself. */
export const latencyOutlierDefaults: LatencyOutlierOptions = Object.freeze({
  factor: 3,
  minimumMs: 200,
  requestVolume: 20,
});

/** Which criterion ejected a member. */
export type EjectionCause =
  | 'consecutive-5xx'
  | 'consecutive-gateway-errors'
  | 'consecutive-local-origin-failures'
  | 'success-rate'
  | 'failure-percentage'
  | 'latency';
