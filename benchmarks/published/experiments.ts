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
  /** When something happens to the servers; what is good is then kept by the second. Default: all is the same at any time. */
  readonly trouble?: { readonly from: number; readonly until: number; readonly label: string };
}

const usual = latency.normal(167, 5);
const slow = { from: 15_000, until: 45_000, label: 'one server answers in 2 s' } as const;

/** How much work the servers of the metastable experiment can do. */
export const busy = { servers: 4, workers: 4, workMs: 50, timeoutMs: 500 } as const;

/** Requests a second that they can answer. */
export const busyCapacity = (busy.servers * busy.workers * 1_000) / busy.workMs;

const push = { from: 20_000, until: 30_000, label: 'push' } as const;

/** "Metastable Failures in the Wild", OSDI 2022: at 0.8 of the capacity, pushed to twice of it. */
function metastable(maxQueue: number): Experiment {
  return {
    endpoints: Array.from({ length: busy.servers }, () => ({
      latency: latency.uniform(busy.workMs / 2, busy.workMs * 1.5),
      capacity: { concurrency: busy.workers, maxQueue, finishesAbandoned: true },
    })),
    callsPerSecond: (atMs: number) => busyCapacity * (atMs >= push.from && atMs < push.until ? 2 : 0.8),
    durationMs: 60_000,
    slowMs: 4 * busy.timeoutMs,
    trouble: push,
  };
}

/** The shares of answers that fail, in percent, in the experiments `<percent>% fail`. */
export const failurePercents: readonly number[] = [0, 25, 50, 75, 100];

/** The experiments by name. */
export const experiments: Readonly<Record<string, Experiment>> = {
  /** Linkerd, "Beyond Round Robin", 2016. */
  'slow server': {
    endpoints: Array.from({ length: 11 }, (_, index) => ({
      latency: index > 0 ? usual : latency.overTime((now) => (now >= slow.from && now < slow.until ? 2_000 : usual)),
    })),
    callsPerSecond: 1_000,
    durationMs: 60_000,
    slowMs: 1_000,
    trouble: slow,
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
  /** Servers that refuse nothing: they only get slow. */
  metastable: metastable(Number.POSITIVE_INFINITY),
  /** The same, at servers that refuse when twice as many wait as they work on. */
  'metastable, refusing': metastable(2 * busy.workers),
  /** Google, "Site Reliability Engineering", ch. 22. */
  ...Object.fromEntries(
    failurePercents.map((percent) => [
      `${percent}% fail`,
      {
        endpoints: Array.from({ length: 4 }, () => ({
          faults: percent === 0 ? [] : [{ kind: 'status' as const, status: 500, probability: percent / 100 }],
        })),
        callsPerSecond: 200,
        durationMs: 10_000,
      },
    ]),
  ),
};

/** @throws Error for a name that is none. */
export function experimentNamed(name: string): Experiment {
  const experiment = experiments[name];
  if (experiment === undefined) throw new Error(`no experiment is named ${name}`);
  return experiment;
}
