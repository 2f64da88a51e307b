/**
 * Which pictures are made of the results? Of what changes with time, with a rate or along the tail; in simulated time, and on
 * sockets where that was run.
 */
import { type ChartLine, lineChart } from '../../src/cli/simulate/line-chart.ts';
import { busyCapacity, experimentNamed } from './experiments.ts';
import { median, type Outcomes, quantiles } from './outcomes.ts';
import { type Results, readResults } from './results.ts';

/** A picture. */
export interface ResultChart {
  /** Of the published results. */
  readonly row: number;
  /** In docs/charts. */
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

/** Arms with names that are short enough for a legend. */
type Arms = Readonly<Record<string, string>>;

const balancers: Arms = {
  'peak EWMA (default)': 'peak EWMA',
  'peak EWMA, latency ejection': 'with ejection',
  Prequal: 'Prequal',
  'least request': 'least request',
  'round robin': 'round robin',
  oracle: 'oracle',
  'undici BalancedPool': 'BalancedPool',
};

const retries: Arms = {
  none: 'no retries',
  three: 'three',
  'three, within the default budget': 'three, within budget',
};

const overload: Arms = {
  'three retries, no budget': 'three retries',
  'three retries within the default budget': 'within budget',
  'adaptive limit, Vegas': 'Vegas',
  'adaptive limit, Gradient2': 'Gradient2',
};

/** One line for each arm that there is. */
function linesOf(
  results: Readonly<Record<string, readonly Outcomes[]>>,
  arms: Arms,
  points: (all: readonly Outcomes[]) => ChartLine['points'],
): ChartLine[] {
  return Object.entries(arms).flatMap(([arm, name]) => {
    const all = results[arm] ?? results[`inmesh, ${arm}`];
    return all === undefined ? [] : [{ name, points: points(all) }];
  });
}

/** The median of each second, as a share of so many calls a second, in percent. */
function bySecond(all: readonly Outcomes[], callsPerSecond: number): ChartLine['points'] {
  const seconds = all[0]?.goodPerSecond ?? [];
  return seconds.map((_, second) => [
    second,
    (100 * median(all.map(({ goodPerSecond = [] }) => goodPerSecond[second] ?? Number.NaN))) / callsPerSecond,
  ]);
}

function overTime(
  experiment: string,
  { results }: Results,
  arms: Arms,
  callsPerSecond: number,
  chart: { readonly title: string; readonly yLabel: string },
): string {
  const { trouble } = experimentNamed(experiment);
  const lines = linesOf(results[experiment] ?? {}, arms, (all) => bySecond(all, callsPerSecond));
  const least = Math.min(...lines.flatMap(({ points }) => points.map(([, y]) => y)));
  return lineChart({
    ...chart,
    xLabel: 'seconds',
    lines,
    // Few failures are seen only from near. Above the lines there is place for a label.
    yFrom: least > 50 ? Math.floor(least) - 1 : 0,
    yTo: least > 50 ? 102 : 120,
    ...(trouble === undefined
      ? {}
      : { band: { from: trouble.from / 1_000, until: trouble.until / 1_000, label: trouble.label } }),
  });
}

function alongTheTail({ results }: Results, title: string): string {
  const lines = linesOf(results['uneven servers'] ?? {}, balancers, (all) =>
    quantiles.map((q, index) => [
      -Math.log10(1 - q),
      median(all.map(({ latenciesMs }) => latenciesMs[index] ?? Number.NaN)),
    ]),
  );
  return lineChart({ title, xLabel: 'nines of the calls (1: p90, 2: p99, 3: p99.9)', yLabel: 'latency, ms', lines });
}

function byFailures({ results }: Results, title: string): string {
  const rates = Object.keys(results);
  const lines = linesOf(results[rates[0] as string] ?? {}, retries, () => []).map(({ name }) => {
    const [arm] = Object.entries(retries).find(([, short]) => short === name) as [string, string];
    const points = rates.map((rate): [number, number] => {
      const all = results[rate]?.[arm] ?? results[rate]?.[`inmesh, ${arm}`] ?? [];
      return [Number.parseFloat(rate), median(all.map(({ amplification }) => amplification))];
    });
    return { name, points };
  });
  return lineChart({ title, xLabel: 'answers that fail, %', yLabel: 'attempts for each call', lines });
}

const kinds: readonly {
  readonly row: number;
  readonly name: string;
  readonly file: string;
  readonly title: string;
  readonly draw: (results: Results, title: string) => string;
}[] = [
  {
    row: 1,
    name: 'slow-server',
    file: 'balancers',
    title: 'One slow server: calls answered in time',
    draw: (results, title) => overTime('slow server', results, balancers, 1_000, { title, yLabel: 'of the calls, %' }),
  },
  { row: 4, name: 'uneven-servers', file: 'balancers', title: 'Uneven servers: latency', draw: alongTheTail },
  {
    row: 7,
    name: 'retry-amplification',
    file: 'retry-amplification',
    title: 'Load while a service fails',
    draw: byFailures,
  },
  {
    row: 8,
    name: 'metastable',
    file: 'metastable',
    title: 'A push beyond the capacity: goodput',
    draw: (results, title) =>
      overTime('metastable', results, overload, busyCapacity, { title, yLabel: 'of the capacity, %' }),
  },
];

/** All that can be made of the result files that there are. */
export function charts(): readonly ResultChart[] {
  return kinds.flatMap(({ row, name, file, title, draw }) =>
    (
      [
        ['simulated', file, 'in simulated time'],
        ['sockets', `sockets-${row}`, 'on sockets'],
      ] as const
    ).flatMap(([medium, source, where]) => {
      const results = readResults(source);
      if (results === undefined) return [];
      const full = `${title}, ${where}`;
      return [{ row, file: `${name}-${medium}.svg`, title: full, svg: draw(results, full) }];
    }),
  );
}
