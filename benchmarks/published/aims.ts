/**
 * What was wanted of each experiment, and is it so? Each aim reads its figure from the result files.
 */
import { busyCapacity, experimentNamed } from './experiments.ts';
import { median, type Outcomes, quantiles, type Recovery, recoveryOf } from './outcomes.ts';
import { readResults } from './results.ts';
import type { Pages } from './tail-at-scale.ts';

/** One thing that was wanted. */
export interface Aim {
  /** Of the published results. */
  readonly row: number;
  readonly wanted: string;
  /** In simulated time. */
  readonly simulated: Finding;
  /** On sockets; undefined when it was not run. */
  readonly sockets: Finding | undefined;
}

/** What was found. */
export interface Finding {
  readonly shown: string;
  readonly met: boolean;
}

/** All repetitions of an arm of an experiment. */
type Arms = (experiment: string, arm: string) => readonly Outcomes[];
type Find = (arms: Arms) => Finding;

/** @throws Error for what the file does not have: it is older than the experiment. */
function armsOf(file: string): Arms | undefined {
  const read = readResults(file);
  if (read === undefined) return undefined;
  return (experiment, arm) => {
    const arms = read.results[experiment];
    const all = arms?.[arm] ?? arms?.[`inmesh, ${arm}`] ?? arms?.[`undici, ${arm}`];
    if (all === undefined) throw new Error(`${file} has no arm ${arm} of ${experiment}`);
    return all;
  };
}

const successOf = (all: readonly Outcomes[]) => median(all.map(({ success }) => success));
const firstShareOf = (all: readonly Outcomes[]) => median(all.map(({ shares }) => shares[0] ?? Number.NaN));
const p99Of = (all: readonly Outcomes[]) =>
  median(all.map(({ latenciesMs }) => latenciesMs[quantiles.indexOf(0.99)] ?? Number.NaN));
const percent = (share: number, digits = 3) => `${(100 * share).toFixed(digits)}%`;

const peak = 'peak EWMA (default)';
const limits = ['adaptive limit, Vegas', 'adaptive limit, Gradient2'];

function recovery(arms: Arms, arm: string, pick: (recovery: Recovery) => number): number {
  return median(arms('metastable', arm).map((outcomes) => pick(recoveryOf(experimentNamed('metastable'), outcomes))));
}

function successAtLeast(experiment: string, least: number): Find {
  return (arms) => {
    const success = successOf(arms(experiment, peak));
    return { shown: percent(success), met: success >= least };
  };
}

const byOutcomes: readonly { row: number; file: string; wanted: string; find: Find; onSockets?: false }[] = [
  { row: 1, file: 'balancers', wanted: 'success ≥ 99.9% by default', find: successAtLeast('slow server', 0.999) },
  ...['latency ejection', 'hedging'].map((besides) => ({
    row: 1,
    file: 'balancers',
    wanted: `success ≥ 99.95% with ${besides}`,
    find: (arms: Arms) => {
      const success = successOf(arms('slow server', `peak EWMA, ${besides}`));
      return { shown: percent(success), met: success >= 0.9995 };
    },
  })),
  { row: 2, file: 'balancers', wanted: 'success ≥ 99.9%', find: successAtLeast('sinkhole', 0.999) },
  {
    row: 2,
    file: 'balancers',
    wanted: 'the sinkhole gets ≤ 1% of the requests',
    find: (arms) => {
      const share = firstShareOf(arms('sinkhole', peak));
      return { shown: percent(share, 2), met: share <= 0.01 };
    },
  },
  {
    row: 3,
    file: 'balancers',
    wanted: 'the fast server gets ≥ 99% of the requests',
    find: (arms) => {
      const share = firstShareOf(arms('fast and slow', peak));
      return { shown: percent(share, 2), met: share >= 0.99 };
    },
  },
  {
    row: 4,
    file: 'balancers',
    wanted: 'p99 ≤ 94 ms, as published',
    find: (arms) => {
      const p99Ms = p99Of(arms('uneven servers', peak));
      return { shown: `${p99Ms.toFixed(0)} ms`, met: p99Ms <= 94 };
    },
  },
  {
    row: 4,
    file: 'balancers',
    wanted: "p99 ≤ 1/8 of round robin's",
    find: (arms) => {
      const share = p99Of(arms('uneven servers', 'round robin')) / p99Of(arms('uneven servers', peak));
      return { shown: `1/${share.toFixed(1)}`, met: share >= 8 };
    },
  },
  {
    row: 4,
    file: 'balancers',
    wanted: "p99 ≤ 1.2× an oracle's",
    onSockets: false,
    find: (arms) => {
      const times = p99Of(arms('uneven servers', peak)) / p99Of(arms('uneven servers', 'oracle'));
      return { shown: `${times.toFixed(2)}×`, met: times <= 1.2 };
    },
  },
  {
    row: 7,
    file: 'retry-amplification',
    wanted: 'load ≤ 1.2× when everything fails',
    find: (arms) => {
      const all = arms('100% fail', 'three, within the default budget');
      const times = median(all.map(({ amplification }) => amplification));
      return { shown: `${times.toFixed(2)}×`, met: times <= 1.2 };
    },
  },
  {
    row: 8,
    file: 'metastable',
    wanted: 'goodput ≥ 95% of capacity under twice of it, with either adaptive limit',
    find: (arms) => {
      const least = Math.min(...limits.map((arm) => recovery(arms, arm, ({ during }) => during) / busyCapacity));
      return { shown: percent(least, 1), met: least >= 0.95 };
    },
  },
  {
    row: 8,
    file: 'metastable',
    wanted: 'back within 5 s of it',
    find: (arms) => {
      const seconds = Math.max(...limits.map((arm) => recovery(arms, arm, ({ backSeconds }) => backSeconds)));
      return { shown: `${seconds} s`, met: seconds <= 5 };
    },
  },
  {
    row: 8,
    file: 'metastable',
    wanted: 'fixed retries stay down: goodput < 10% of capacity 20 s after it',
    find: (arms) => {
      const after = recovery(arms, 'three retries, no budget', (one) => one.after) / busyCapacity;
      return { shown: percent(after, 1), met: after < 0.1 };
    },
  },
  { row: 9, file: 'balancers', wanted: 'success ≥ 99.9%', find: successAtLeast('bad pod', 0.999) },
];

/** Row 5 is of pages, and in simulated time only. */
function tail(): readonly Aim[] {
  const arms = readResults<Pages>('tail-at-scale')?.results['a page of 100 keys'] ?? {};
  const figure = (arm: string, pick: (pages: Pages) => number) => median((arms[arm] ?? []).map(pick));
  return Object.keys(arms)
    .filter((arm) => arm !== 'no hedging')
    .map((arm) => {
      const times = figure('no hedging', ({ p999Ms }) => p999Ms) / figure(arm, ({ p999Ms }) => p999Ms);
      const more = figure(arm, ({ moreRequests }) => moreRequests);
      return {
        row: 5,
        wanted: `p99.9 of pages ≤ 1/20 for ≤ 2% more requests (${arm})`,
        simulated: { shown: `1/${times.toFixed(1)} for ${percent(more, 2)}`, met: times >= 20 && more <= 0.02 },
        sockets: undefined,
      };
    });
}

/** An arm that died there was left out; that is no reason to show nothing. */
function findOnSockets(find: Find, arms: Arms): Finding {
  try {
    return find(arms);
  } catch (error) {
    return { shown: (error as Error).message, met: false };
  }
}

/** In the order of the rows. */
export function aims(): readonly Aim[] {
  const found = byOutcomes.map(({ row, file, wanted, find, onSockets = true }): Aim => {
    const [simulated, sockets] = [armsOf(file), onSockets ? armsOf(`sockets-${row}`) : undefined];
    if (simulated === undefined) throw new Error(`${file} was not run`);
    return { row, wanted, simulated: find(simulated), sockets: sockets && findOnSockets(find, sockets) };
  });
  return [...found, ...tail()].sort((a, b) => a.row - b.row);
}
