/**
 * Does goodput come back after a trigger? A service at 0.8 of its capacity gets a short push (here: twice the load for 10 s),
 * and its servers work on requests that nobody waits for any more. With fixed retries the load that they cause keeps it
 * down ("Metastable Failures in the Wild", Huang et al., OSDI 2022); with a retry budget and an adaptive limit it does not.
 *
 * Admission control goes by refusals. These servers refuse nothing, they only get slow, and it is no cure for that: goodput
 * comes and goes.
 *
 * And who gets an answer meanwhile? The second table has the same push at servers that refuse, where every other call is
 * sheddable: the critical ones alone are what the servers can answer.
 *
 * In simulated time, five seeds; figures are medians. node benchmarks/published/metastable.ts [--arms admission]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Criticality, MeshDocument } from '../../src/index.ts';
import { latency, simulateMesh } from '../../src/testing/index.ts';

const servers = 4;
const workers = 10;
const workMs = 50;
/** Requests a second that the servers can answer. */
const capacity = (servers * workers * 1_000) / workMs;
const timeoutMs = 500;
const [triggerAt, triggerEnd, end] = [20_000, 30_000, 60_000];
const seeds = [1, 2, 3, 4, 5];

type Policy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

const noBudget = { percent: 100, minRetriesPerSecond: 1_000_000 };
const patient = {
  connectionPool: {
    http: { http2MaxRequests: 100_000, http1MaxPendingRequests: 100_000 },
    tcp: { maxConnections: 100_000 },
  },
};
const eager = { max: 3, perTryTimeout: `${timeoutMs}ms`, retryOn: 'reset,500,502,503,504,cancelled' };

const { values } = parseArgs({ options: { arms: { type: 'string', default: '' } } });

const arms: Readonly<Record<string, Policy>> = {
  'fixed retries': { ...patient, retries: eager, retryBudget: noBudget, outlierDetection: { disabled: true } },
  'retry budget': { ...patient, retries: eager, outlierDetection: { disabled: true } },
  Vegas: { ...patient, retries: eager, adaptiveConcurrency: { algorithm: 'VEGAS' } },
  Gradient2: { ...patient, retries: eager, adaptiveConcurrency: { algorithm: 'GRADIENT2' } },
  'Vegas, default limits': { retries: eager, adaptiveConcurrency: {} },
  'admission control over 10 s': { ...patient, retries: eager, admissionControl: { window: '10s' } },
};

const noEjection = { outlierDetection: { disabled: true } };

const mixedArms: Readonly<Record<string, Policy>> = {
  'no control': { ...patient, ...noEjection, retries: eager },
  'admission control, k 2 over 2 s': {
    ...patient,
    ...noEjection,
    retries: eager,
    admissionControl: { k: 2, window: '2s' },
  },
  'admission control, k 1.1 over 2 s': {
    ...patient,
    ...noEjection,
    retries: eager,
    admissionControl: { k: 1.1, window: '2s' },
  },
  Vegas: { ...patient, ...noEjection, retries: eager, adaptiveConcurrency: { algorithm: 'VEGAS' } },
  Gradient2: { ...patient, ...noEjection, retries: eager, adaptiveConcurrency: { algorithm: 'GRADIENT2' } },
};

interface Figures {
  /** Good answers a second before, during and after the trigger, as a share of what the servers can answer. */
  readonly before: number;
  readonly during: number;
  readonly after: number;
  /** From the end of the trigger until goodput is that of before for a second, in ms. */
  readonly backMs: number;
  /** Good answers during the trigger, as a share of the calls of that kind. */
  readonly critical: number;
  readonly sheddable: number;
}

/** Calls of a kind that started during the trigger. */
interface Tally {
  calls: number;
  good: number;
}

/** What the arms of a table have in common. */
interface Setting {
  /** Of the calls, in turn. */
  readonly criticalities: readonly Criticality[];
  /** How many wait at a server before it refuses. */
  readonly maxQueue: number;
}

async function run(trafficPolicy: Policy, seed: number, { criticalities, maxQueue }: Setting): Promise<Figures> {
  const addresses = Array.from({ length: servers }, (_, index) => `10.0.0.${index + 1}:80`);
  const document: MeshDocument = {
    services: [{ host: 'busy', endpoints: addresses.map((address) => ({ address })), trafficPolicy }],
  };
  const simulation = await simulateMesh({
    document,
    seed,
    defaultProfile: {
      latency: latency.uniform(workMs / 2, workMs * 1.5),
      capacity: { concurrency: workers, maxQueue, finishesAbandoned: true },
    },
  });
  const good = new Array<number>(end / 1_000).fill(0);
  const { clock } = simulation;
  const start = clock.now();
  const stepMs = 5;
  const tallies: Partial<Record<Criticality, Tally>> = {
    critical: { calls: 0, good: 0 },
    sheddable: { calls: 0, good: 0 },
  };
  let due = 0;
  let sent = 0;
  for (let now = 0; now < end; now += stepMs) {
    const factor = now >= triggerAt && now < triggerEnd ? 2 : 0.8;
    due += (capacity * factor * stepMs) / 1_000;
    for (; due >= 1; due--) {
      const criticality = criticalities[sent++ % criticalities.length] as Criticality;
      const tally = now >= triggerAt + 2_000 && now < triggerEnd ? tallies[criticality] : undefined;
      if (tally !== undefined) tally.calls++;
      void simulation.mesh
        .request('http://busy/', { mesh: { timeoutMs: 4 * timeoutMs, criticality } })
        .then(async ({ statusCode, body }) => {
          await body.dump();
          if (statusCode === 200 && tally !== undefined) tally.good++;
          const second = Math.floor((clock.now() - start) / 1_000);
          if (statusCode === 200 && second < good.length) good[second] = (good[second] ?? 0) + 1;
        })
        .catch(() => {});
    }
    await clock.advance(stepMs);
  }
  const share = (from: number, to: number) => {
    const seconds = good.slice(from / 1_000, to / 1_000);
    return seconds.reduce((sum, count) => sum + count, 0) / seconds.length / capacity;
  };
  const before = share(10_000, triggerAt);
  const back = good.findIndex((count, second) => second * 1_000 >= triggerEnd && count / capacity >= before * 0.95);
  const figures = {
    before,
    during: share(triggerAt + 2_000, triggerEnd),
    after: share(end - 10_000, end),
    backMs: back < 0 ? Number.POSITIVE_INFINITY : (back + 1) * 1_000 - triggerEnd,
    critical: answered(tallies.critical as Tally),
    sheddable: answered(tallies.sheddable as Tally),
  };
  const closing = simulation.mesh.close({ timeoutMs: 1 });
  await clock.advance(10);
  await closing;
  return figures;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function answered({ calls, good }: Tally): number {
  return calls === 0 ? Number.NaN : good / calls;
}

const percent = (value: number) => `${(value * 100).toFixed(1)}%`;

/** The medians of each arm, in the words of `describe`. */
async function tabulate(
  all: Readonly<Record<string, Policy>>,
  setting: Setting,
  describe: (medianOf: (pick: (figures: Figures) => number) => number) => object,
): Promise<Record<string, object>> {
  const table: Record<string, object> = {};
  for (const [name, policy] of Object.entries(all)) {
    if (!name.includes(values.arms)) continue;
    const runs: Figures[] = [];
    for (const seed of seeds) runs.push(await run(policy, seed, setting));
    table[name] = describe((pick) => median(runs.map(pick)));
  }
  console.table(table);
  return table;
}

const results = await tabulate(
  arms,
  { criticalities: ['critical'], maxQueue: Number.POSITIVE_INFINITY },
  (medianOf) => ({
    'goodput before': percent(medianOf(({ before }) => before)),
    'under twice the load': percent(medianOf(({ during }) => during)),
    '20 s after': percent(medianOf(({ after }) => after)),
    'back after, s': medianOf(({ backMs }) => backMs) / 1_000,
  }),
);
const halfSheddable = await tabulate(
  mixedArms,
  { criticalities: ['critical', 'sheddable'], maxQueue: 20 },
  (medianOf) => ({
    'goodput under twice the load': percent(medianOf(({ during }) => during)),
    'critical calls answered': percent(medianOf(({ critical }) => critical)),
    'sheddable calls answered': percent(medianOf(({ sheddable }) => sheddable)),
  }),
);
if (values.arms === '') {
  writeFileSync(
    new URL('../results/metastable.json', import.meta.url),
    `${JSON.stringify({ node: process.version, results, halfSheddable }, undefined, 2)}\n`,
  );
}
