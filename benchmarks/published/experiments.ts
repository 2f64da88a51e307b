/**
 * Which experiments are repeated? What was published of each: the servers, the load, and what counts as a success. They are
 * run in simulated time and on sockets alike.
 */
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { latency } from '../../src/testing/index.ts';

/** An experiment; its arms differ in the client alone. */
export interface Experiment {
  /** Of the servers, in order. Times are since the start. */
  readonly endpoints: readonly EndpointProfile[];
  readonly callsPerSecond: number | ((atMs: number) => number);
  readonly durationMs: number;
  /** An answer that takes longer is a failure. Default: none is too slow. */
  readonly slowMs?: number;
}

const usual = latency.normal(167, 5);
const [slowFrom, slowUntil] = [15_000, 45_000];

/** How much work the servers of the metastable experiment can do. */
export const busy = {
  servers: 4,
  workers: 4,
  workMs: 50,
  timeoutMs: 500,
  pushFrom: 20_000,
  pushUntil: 30_000,
} as const;

/** Requests a second that they can answer. */
export const busyCapacity = (busy.servers * busy.workers * 1_000) / busy.workMs;

/** The experiments by name. */
export const experiments = {
  /** Linkerd, "Beyond Round Robin", 2016. */
  'slow server': {
    endpoints: Array.from({ length: 11 }, (_, index) => ({
      latency: index > 0 ? usual : latency.overTime((now) => (now >= slowFrom && now < slowUntil ? 2_000 : usual)),
    })),
    callsPerSecond: 1_000,
    durationMs: 60_000,
    slowMs: 1_000,
  },
  /** linkerd2#11669. */
  sinkhole: {
    endpoints: [{ status: 500, latency: 1 }, { latency: 100 }, { latency: 100 }],
    callsPerSecond: 100,
    durationMs: 60_000,
  },
  /** linkerd2#5017. */
  'fast and slow': {
    endpoints: [{ latency: 1 }, { latency: 50 }],
    callsPerSecond: 500,
    durationMs: 20_000,
  },
  /** Prequal, NSDI 2024, C2. */
  'uneven servers': {
    endpoints: Array.from({ length: 16 }, (_, index) => ({ latency: latency.normal(index < 14 ? 50 : 800, 10) })),
    callsPerSecond: 500,
    durationMs: 60_000,
  },
  /** Linkerd's demo of circuit breaking. */
  'bad pod': {
    endpoints: [{ status: 500 }, {}],
    callsPerSecond: 10,
    durationMs: 120_000,
  },
  /** "Metastable Failures in the Wild", OSDI 2022: at 0.8 of the capacity, pushed to twice of it. */
  metastable: {
    endpoints: Array.from({ length: busy.servers }, () => ({
      latency: latency.uniform(busy.workMs / 2, busy.workMs * 1.5),
      capacity: { concurrency: busy.workers, finishesAbandoned: true },
    })),
    callsPerSecond: (atMs: number) => busyCapacity * (atMs >= busy.pushFrom && atMs < busy.pushUntil ? 2 : 0.8),
    durationMs: 60_000,
    slowMs: 4 * busy.timeoutMs,
  },
  ...Object.fromEntries(
    [0, 0.25, 0.5, 0.75, 1].map((probability) => [
      `${probability * 100}% fail`,
      {
        endpoints: Array.from({ length: 4 }, () => ({
          faults: probability === 0 ? [] : [{ kind: 'status' as const, status: 500, probability }],
        })),
        callsPerSecond: 200,
        durationMs: 10_000,
      },
    ]),
  ),
} as const satisfies Record<string, Experiment>;
