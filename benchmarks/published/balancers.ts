/**
 * Which balancer keeps calls away from an endpoint that is slow, broken or far weaker? Published experiments, repeated for
 * each balancer (rows of the table by experiment):
 *
 * - slow server (Linkerd, "Beyond Round Robin", 2016): 11 servers of 167 ms; after 15 s one answers in 2 s, for 30 s; an
 *   answer above 1 s is a failure. Published: round robin 95%, least loaded 99%, peak EWMA 99.9%.
 * - sinkhole (linkerd2#11669): one of three servers answers 500 at once, the others 200 after 100 ms.
 * - fast and slow (linkerd2#5017): 1 ms and 50 ms. Published: 489.7 against 0.1 calls a second.
 * - uneven servers (Prequal, NSDI 2024, C2): 14 of 50 ms and 2 of 16 times that. Published p99: 94 ms (Prequal), 807 ms (round
 *   robin), 803 ms (least connections); p99.9: 272, 888, 1,007 ms.
 * - bad pod (Linkerd's circuit breaking demo): 10 calls a second to two pods, one fails. Published: 50% to 99.83%.
 *
 * Beside the balancers: peak EWMA with ejection by latency and with hedging, and others with ejection by latency.
 *
 * In simulated time, medians of five seeds. Writes benchmarks/results/balancers.json. node benchmarks/published/balancers.ts
 */
import { writeFileSync } from 'node:fs';
import { latency } from '../../src/testing/index.ts';
import { medianOf, type Outcomes, type Policy, percent, quantile, type Scenario } from './scenario.ts';

const balancers: Readonly<Record<string, NonNullable<Policy['loadBalancer']>>> = {
  PREQUAL: { prequal: {} },
  PEAK_EWMA: { simple: 'PEAK_EWMA' },
  LEAST_REQUEST: { simple: 'LEAST_REQUEST' },
  ROUND_ROBIN: { simple: 'ROUND_ROBIN' },
  RANDOM: { simple: 'RANDOM' },
};

type Experiment = Omit<Scenario, 'policy'> & {
  /** Besides the balancer. */
  readonly policy?: Policy;
  readonly figures: Readonly<Record<string, { pick: (outcomes: Outcomes) => number; show: (value: number) => string }>>;
};

const success = { pick: (outcomes: Outcomes) => outcomes.success, show: (value: number) => percent(value, 3) };
const shareOfFirst = {
  pick: (outcomes: Outcomes) => outcomes.shares[0] as number,
  show: (value: number) => percent(value),
};
const latencyAt = (q: number) => ({
  pick: (outcomes: Outcomes) => quantile(outcomes.latenciesMs, q),
  show: (value: number) => `${value.toFixed(0)} ms`,
});

const usual = latency.normal(167, 5);

const experiments: Readonly<Record<string, Experiment>> = {
  'slow server': {
    endpoints: Array.from({ length: 11 }, (_, index) => ({
      latency: index > 0 ? usual : latency.overTime((now) => (now >= 15_000 && now < 45_000 ? 2_000 : usual)),
    })),
    callsPerSecond: 1_000,
    durationMs: 60_000,
    slowMs: 1_000,
    figures: { success },
  },
  sinkhole: {
    endpoints: [{ status: 500, latency: 1 }, { latency: 100 }, { latency: 100 }],
    callsPerSecond: 100,
    durationMs: 60_000,
    figures: { success, 'share of the broken one': shareOfFirst },
  },
  'fast and slow': {
    endpoints: [{ latency: 1 }, { latency: 50 }],
    callsPerSecond: 500,
    durationMs: 20_000,
    figures: { 'share of the fast one': shareOfFirst },
  },
  'uneven servers': {
    endpoints: Array.from({ length: 16 }, (_, index) => ({ latency: latency.normal(index < 14 ? 50 : 800, 10) })),
    callsPerSecond: 500,
    durationMs: 60_000,
    figures: { p99: latencyAt(0.99), 'p99.9': latencyAt(0.999) },
  },
  'bad pod': {
    endpoints: [{ status: 500 }, {}],
    callsPerSecond: 10,
    durationMs: 120_000,
    figures: { success },
  },
};

const detection: Policy['outlierDetection'] = { latency: {} };
/** Besides the balancers by themselves. */
const arms: Readonly<Record<string, Policy>> = {
  ...Object.fromEntries(Object.entries(balancers).map(([name, loadBalancer]) => [name, { loadBalancer }])),
  'PEAK_EWMA, latency ejection': { outlierDetection: detection },
  'PEAK_EWMA, hedging': { hedge: {} },
  'LEAST_REQUEST, latency ejection': { loadBalancer: { simple: 'LEAST_REQUEST' }, outlierDetection: detection },
  'ROUND_ROBIN, latency ejection': { loadBalancer: { simple: 'ROUND_ROBIN' }, outlierDetection: detection },
};

const results: Record<string, Record<string, string>> = {};
for (const [name, { figures, policy, ...scenario }] of Object.entries(experiments)) {
  for (const [arm, own] of Object.entries(arms)) {
    const medians = await medianOf({ ...scenario, policy: { ...policy, ...own } });
    for (const [figure, { pick, show }] of Object.entries(figures)) {
      const row = `${name}: ${figure}`;
      results[row] = { ...results[row], [arm]: show(medians(pick)) };
    }
  }
}
console.table(results);
writeFileSync(
  new URL('../results/balancers.json', import.meta.url),
  `${JSON.stringify({ node: process.version, results }, undefined, 2)}\n`,
);
