/**
 * What does a server say of its own load? The part of an ORCA report (Open Request Cost Aggregation; gRPC A51) that load
 * balancers read.
 */

/** What a server reported. All numbers are finite and not negative. */
export interface LoadReport {
  /** How busy it is, 1 for all it can do: `application_utilization`, where that is missing or 0 `cpu_utilization`; 0 when unknown. */
  readonly utilization: number;
  /** Requests a second, `rps_fractional`; 0 when unknown. */
  readonly requestsPerSecond: number;
  /** Failures a second, `eps`; 0 when unknown. */
  readonly errorsPerSecond: number;
  /** Requests in flight, of all its clients: `named_metrics.rif`; undefined when unknown. */
  readonly inFlight: number | undefined;
}
