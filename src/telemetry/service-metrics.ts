/**
 * Where does the hot path count? In the plain fields of a {@link ServiceMetrics}: no map, no string, no hash of labels.
 * The filters hold the object and add to its fields; exporters read them when they are asked.
 */
import { Histogram } from './histogram.ts';
import { OutcomeCounter } from './outcome-counter.ts';

/** What a series is labelled with. Names from configuration only, never from a request. */
export interface SeriesLabels {
  readonly service: string;
  readonly route?: string;
  readonly subset?: string;
}

/** The state of the connections of a service, read when metrics are exported. */
export interface PoolState {
  /** Open connections. */
  readonly connections: number;
  /** Attempts that wait for a connection. */
  readonly pending: number;
  /** Attempts on a connection. */
  readonly running: number;
}

/** The state of a circuit breaker as a number, for a gauge. */
export const breakerStates = Object.freeze({ closed: 0, halfOpen: 1, open: 2 });

/** A gauge that nobody has set: it is not exported, so that a feature that is off leaves no flat line. */
export const unset = Number.NaN;

/** The counts of one service, or of one of its routes or subsets. Counters only grow. */
export class ServiceMetrics {
  readonly labels: SeriesLabels;
  /** Calls that are over, by final outcome. */
  readonly calls = new OutcomeCounter();
  /** From the start of a call to the last byte of its reply, or its error. */
  readonly callDuration = new Histogram();
  /** Calls that have started and are not over. */
  callsInFlight = 0;
  /** Attempts that have their head or their error. */
  readonly attempts = new OutcomeCounter();
  /** From the start of an attempt to its head, or its error. */
  readonly attemptDuration = new Histogram();
  /** Attempts that were not the first of their call. */
  retries = 0;
  /** Retries that were wanted, and refused by the retry budget. */
  retryBudgetExhausted = 0;
  /** Second attempts that were sent because the first took long. */
  hedges = 0;
  /** Those that were answered first. */
  hedgesWon = 0;
  /** Calls that waited for the answer of another, equal one. */
  coalescedCalls = 0;
  /** Calls that an adaptive limit turned away, or in dark mode would have. */
  adaptiveLimitRefusals = 0;
  /** Reads the adaptive limit; `undefined` without one. */
  readAdaptiveLimit: (() => number) | undefined = undefined;
  /** Calls that a circuit breaker refused, or in dark mode would have. */
  breakerRefusals = 0;
  /** Calls that admission control refused, or in dark mode would have. */
  admissionRefusals = 0;
  /** Calls that a rate limit refused, or in dark mode would have. */
  rateLimitRefusals = 0;
  /** Attempts that were refused because too many waited already. */
  pendingOverflows = 0;
  /** Attempts that were refused because they had waited too long. */
  pendingTimeouts = 0;
  /** Ejections of endpoints. */
  ejections = 0;
  /** Endpoints ejected now. */
  endpointsEjected = unset;
  /** Health checks that failed. */
  healthCheckFailures = 0;
  /** Endpoints that get no calls now while there are others: ejected, failing their checks, or refusing connections. */
  endpointsUnhealthy = unset;
  /** Endpoints known now. */
  endpoints = unset;
  /** One of {@link breakerStates}. */
  breakerState = unset;
  /** Reads the connections; `undefined` where nobody knows them. Must not throw. */
  readPool: (() => PoolState) | undefined = undefined;

  constructor(labels: SeriesLabels) {
    this.labels = Object.freeze({ ...labels });
  }
}
