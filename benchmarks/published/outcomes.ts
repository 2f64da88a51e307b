/**
 * What came of an experiment? The same figures in simulated time and on sockets.
 */
import type { Experiment } from './experiments.ts';

/** One call. */
export interface Sample {
  /** When it was due, in ms since the start. */
  readonly dueAt: number;
  /** From then to the end of its body, or its error. */
  readonly latencyMs: number;
  /** Undefined for an error. */
  readonly status: number | undefined;
  /** What kind of call it was, where an experiment has several. */
  readonly kind?: string;
}

/** What one arm did, once. */
export interface Outcomes {
  readonly calls: number;
  /** Calls with a 200 in time, 0–1. */
  readonly success: number;
  /** Requests that servers saw, for each call. */
  readonly amplification: number;
  /** The share of them of each server, 0–1. */
  readonly shares: readonly number[];
  /** Of the calls with a 200, in ms, at {@link quantiles}; null without any. */
  readonly latenciesMs: readonly (number | null)[];
  /** Calls with a 200 in time, by the second in which they were due; of experiments with a time of trouble. */
  readonly goodPerSecond?: readonly number[];
  /** In that time: the share of the calls with a 200 in time, by kind. */
  readonly answered?: Readonly<Record<string, number>>;
  /** How late calls were started, in ms, p99; on sockets. Much of it, and the machine was too busy. */
  readonly lateMs?: number;
}

/** The quantiles that are kept. */
export const quantiles = [0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999] as const;

/** How long after the beginning of a time of trouble its figures begin: what was under way before is over. */
const settlingMs = 2_000;

/** @param counts the requests that each server saw. */
export function measure(experiment: Experiment, samples: readonly Sample[], counts: readonly number[]): Outcomes {
  const { slowMs = Number.POSITIVE_INFINITY, durationMs, trouble } = experiment;
  const isGood = ({ status, latencyMs }: Sample) => status === 200 && latencyMs <= slowMs;
  const good = samples.filter(isGood);
  const latencies = samples.filter(({ status }) => status === 200).map(({ latencyMs }) => latencyMs);
  latencies.sort((a, b) => a - b);
  const received = counts.reduce((sum, count) => sum + count, 0);
  const outcomes = {
    calls: samples.length,
    success: rounded(good.length / samples.length, 6),
    amplification: rounded(received / samples.length, 4),
    shares: counts.map((count) => rounded(count / received, 5)),
    latenciesMs: quantiles.map((q) => (latencies.length === 0 ? null : rounded(quantile(latencies, q), 2))),
  };
  if (trouble === undefined) return outcomes;
  const goodPerSecond = new Array<number>(Math.ceil(durationMs / 1_000)).fill(0);
  for (const { dueAt } of good) {
    const second = Math.min(goodPerSecond.length - 1, Math.floor(dueAt / 1_000));
    goodPerSecond[second] = (goodPerSecond[second] as number) + 1;
  }
  const during = samples.filter(({ dueAt }) => dueAt >= trouble.from + settlingMs && dueAt < trouble.until);
  const byKind = Object.entries(Object.groupBy(during, ({ kind = '' }) => kind)).filter(([kind]) => kind !== '');
  if (byKind.length === 0) return { ...outcomes, goodPerSecond };
  const answered = byKind.map(([kind, all = []]) => [kind, rounded(all.filter(isGood).length / all.length, 4)]);
  return { ...outcomes, goodPerSecond, answered: Object.fromEntries(answered) };
}

/** What became of goodput in a time of trouble and after it. */
export interface Recovery {
  /** Good calls a second in the ten seconds before, from two seconds after its beginning, and in the last ten seconds. */
  readonly before: number;
  readonly during: number;
  readonly after: number;
  /** From its end until goodput is 95% of that before for a second, in seconds; infinite for never. */
  readonly backSeconds: number;
}

/** Of an experiment with a time of trouble. */
export function recoveryOf({ trouble }: Experiment, { goodPerSecond = [] }: Outcomes): Recovery {
  const [from, until] = [(trouble?.from ?? 0) / 1_000, (trouble?.until ?? 0) / 1_000];
  const mean = (first: number, end: number) =>
    goodPerSecond.slice(first, end).reduce((sum, count) => sum + count, 0) / (end - first);
  const before = mean(from - 10, from);
  const back = goodPerSecond.findIndex((count, second) => second >= until && count >= before * 0.95);
  return {
    before,
    during: mean(from + settlingMs / 1_000, until),
    after: mean(goodPerSecond.length - 10, goodPerSecond.length),
    backSeconds: back < 0 ? Number.POSITIVE_INFINITY : back + 1 - until,
  };
}

/** The q-quantile of sorted values. */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** The middle one of the values. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Files need not keep more than is read. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
