/**
 * What is a member? An endpoint with the live state that the mesh keeps about it. Members are keyed by service, address
 * and transport; subset clusters are views over the same members, so that load and ejection are known once.
 */
import type { Endpoint } from './endpoint.ts';
import type { LoadReport } from './load-report.ts';

/** An endpoint with our live state. Pickers read it; the filters of the attempt stack write it. */
export interface Member {
  /** Replaced when the labels, weight or locality of the endpoint change; the address never changes. */
  readonly endpoint: Endpoint;
  /** Attempts whose reply body has not ended. */
  readonly inFlight: number;
  /**
   * The instant (of {@link import('./clock.ts').Clock.now}) at which the oldest attempt *without a head* was started,
   * or `Infinity` when none waits. A long poll with a head does not count: it does not condemn its endpoint.
   */
  readonly oldestWaiting: number;
  /** Nobody says that it shall get no calls: neither ejected nor known to be down. */
  readonly healthy: boolean;
  /** The share of its weight that counts: below 1 while it warms up. Above 0. */
  readonly warmth: number;
  /** What estimates how busy this member is; of the kind that the load balancer of its service reads. */
  readonly load: LoadMetric;
}

/** Estimates how busy one member is. One instance a member, so that every view of the member shares it. */
export interface LoadMetric {
  /** An attempt has its head, or has failed, `latencyMs` after it was started, at the instant `now`. */
  observe(latencyMs: number, now: number, failed: boolean): void;
  /** The cost of giving `member` one more attempt at the instant `now`. Lower is better, never negative or NaN. */
  cost(member: Member, now: number): number;
  /** `member` reported its own load at the instant `now`. Only metrics that read reports have it. */
  readonly report?: ((member: Member, report: LoadReport, now: number) => void) | undefined;
}
