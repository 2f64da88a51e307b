/**
 * How is an endpoint asked whether it is well?
 */

/** What an endpoint is asked. */
export interface HealthRequest {
  /** The path of a GET, as sent. */
  readonly path: string;
  /** A reply with one of these is a good one; undefined: any from 200 to 299. */
  readonly expectedStatuses: readonly number[] | undefined;
}

/** How a service asks its endpoints. */
export interface HealthCheckOptions {
  /** Undefined: an endpoint is well when it takes a connection. */
  readonly http: HealthRequest | undefined;
  /** From the end of a check to the next, in ms. Default 5,000. */
  readonly intervalMs: number;
  /** No head of a reply, or no connection, by then is a bad answer, in ms. Default 1,000. */
  readonly timeoutMs: number;
  /** Up to this much is added to each interval at random, in ms, so that checks do not fall together. Default 500. */
  readonly jitterMs: number;
  /** This many good replies in a row make an unhealthy endpoint healthy. Default 2. */
  readonly healthyThreshold: number;
  /** This many bad ones in a row make a healthy endpoint unhealthy; the very first check decides alone. Default 3. */
  readonly unhealthyThreshold: number;
}

export const healthCheckDefaults: Omit<HealthCheckOptions, 'http'> = Object.freeze({
  intervalMs: 5_000,
  timeoutMs: 1_000,
  jitterMs: 500,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
});
