/** The caps of a service (Envoy calls them circuit breakers). */
export interface LimitOptions {
  /** Attempts in flight at one endpoint; on HTTP/1.1 that is its connections. Default 128. */
  readonly maxRequestsPerEndpoint: number;
  /** Attempts in flight at the whole service. Default 1,024. */
  readonly maxRequests: number;
  /**
   * Attempts that wait, in order of arrival, for one of the above; fewer for the less critical, see
   * `criticality-share.ts`. Default 1,024; 0 refuses at once.
   */
  readonly maxPending: number;
  /** How long one of those waits at most, in ms, > 0; `Infinity` for as long as its call has time. Default `Infinity`. */
  readonly maxPendingMs: number;
}

export const limitDefaults: LimitOptions = Object.freeze({
  maxRequestsPerEndpoint: 128,
  maxRequests: 1024,
  maxPending: 1024,
  maxPendingMs: Number.POSITIVE_INFINITY,
});
