/**
 * How do figures get into docs/results.md? Between its marks stand tables and pictures that are made here, from the result
 * files alone; the words around them are written by hand.
 */
import { aims } from './aims.ts';
import { charts } from './charts-of-results.ts';
import { busyCapacity, experimentNamed } from './experiments.ts';
import { median, type Outcomes, quantiles, type Recovery, recoveryOf } from './outcomes.ts';
import { type Results, readResults } from './results.ts';
import type { Pages } from './tail-at-scale.ts';

type Repetitions = readonly Outcomes[];
type Column = readonly [title: string, show: (all: Repetitions) => string];

const percent = (share: number, digits = 2) => `${(100 * share).toFixed(digits)}%`;
const middle = (all: Repetitions, pick: (one: Outcomes) => number | null | undefined) =>
  median(all.map((one) => pick(one) ?? Number.NaN));

const success: Column = [
  'success',
  (all) =>
    percent(
      middle(all, (one) => one.success),
      3,
    ),
];
const late: Column = ['calls started late, p99', (all) => `${middle(all, ({ lateMs }) => lateMs).toFixed(1)} ms`];

function share(title: string): Column {
  return [title, (all) => percent(middle(all, ({ shares }) => shares[0]))];
}

function latency(q: (typeof quantiles)[number], title: string): Column {
  const show = (all: Repetitions) =>
    `${middle(all, ({ latenciesMs }) => latenciesMs[quantiles.indexOf(q)]).toFixed(0)} ms`;
  return [title, show];
}

const recovered = (all: Repetitions, pick: (recovery: Recovery) => number) =>
  median(all.map((one) => pick(recoveryOf(experimentNamed('metastable'), one))));
const goodput = (title: string, pick: (recovery: Recovery) => number): Column => [
  title,
  (all) => percent(recovered(all, pick) / busyCapacity, 1),
];
const recoveryColumns: readonly Column[] = [
  goodput('before', ({ before }) => before),
  goodput('under the push', ({ during }) => during),
  goodput('20 s after', ({ after }) => after),
  [
    'back after',
    (all) => {
      const seconds = recovered(all, ({ backSeconds }) => backSeconds);
      return Number.isFinite(seconds) ? `${seconds} s` : 'not within 30 s';
    },
  ],
];

/** Of each experiment: its row, and what is looked at. */
const columns: Readonly<Record<string, readonly Column[]>> = {
  'slow server': [
    success,
    share('share of the slow server'),
    latency(0.5, 'p50'),
    latency(0.99, 'p99'),
    latency(0.999, 'p99.9'),
  ],
  sinkhole: [success, share('share of the sinkhole'), latency(0.99, 'p99')],
  'fast and slow': [success, share('share of the fast server'), latency(0.99, 'p99')],
  'uneven servers': [success, latency(0.5, 'p50'), latency(0.99, 'p99'), latency(0.999, 'p99.9')],
  'bad pod': [success, share('share of the bad pod'), latency(0.99, 'p99')],
  metastable: recoveryColumns,
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function armsTable(
  experiment: string,
  arms: Readonly<Record<string, Repetitions>>,
  besides: readonly Column[] = [],
): string {
  const shown = [...(columns[experiment] ?? [success]), ...besides];
  return table(
    ['arm', ...shown.map(([title]) => title)],
    Object.entries(arms).map(([arm, all]) => [arm, ...shown.map(([, show]) => show(all))]),
  );
}

/** Attempts for each call, by the share of answers that fail. */
function amplification({ results }: Results): string {
  const rates = Object.keys(results);
  const arms = Object.keys(results[rates[0] as string] ?? {});
  const cell = (rate: string, arm: string) =>
    `${middle(results[rate]?.[arm] ?? [], (one) => one.amplification).toFixed(2)}×`;
  return table(
    ['retries', ...rates],
    arms.map((arm) => [arm, ...rates.map((rate) => cell(rate, arm))]),
  );
}

function known<T = Outcomes>(name: string): Results<T> {
  const results = readResults<T>(name);
  if (results === undefined) throw new Error(`${name} was not run`);
  return results;
}

function pages(): string {
  const arms = known<Pages>('tail-at-scale').results['a page of 100 keys'] ?? {};
  return table(
    ['arm', 'p50', 'p99', 'p99.9', 'p99.9 with each seed', 'more requests'],
    Object.entries(arms).map(([arm, all]) => {
      const ms = (pick: (one: Pages) => number) => `${median(all.map(pick)).toFixed(0)} ms`;
      const each = all.map(({ p999Ms }) => p999Ms.toFixed(0)).join(', ');
      const more = percent(median(all.map(({ moreRequests }) => moreRequests)));
      return [arm, ms((one) => one.p50Ms), ms((one) => one.p99Ms), ms((one) => one.p999Ms), each, more];
    }),
  );
}

function criticality(): string {
  const arms = known('metastable').results['metastable, refusing'] ?? {};
  const answered = (kind: string): Column => [
    `${kind} calls answered`,
    (all) =>
      percent(
        middle(all, (one) => one.answered?.[kind]),
        1,
      ),
  ];
  const shown = [recoveryColumns[1] as Column, answered('critical'), answered('sheddable')];
  return table(
    ['arm', ...shown.map(([title]) => (title === 'under the push' ? 'goodput under the push' : title))],
    Object.entries(arms).map(([arm, all]) => [arm, ...shown.map(([, show]) => show(all))]),
  );
}

const verdict = ({ shown, met }: { shown: string; met: boolean }) => (met ? shown : `**${shown}: missed**`);

function wanted(): string {
  return table(
    ['row', 'wanted', 'in simulated time', 'on sockets'],
    aims().map(({ row, wanted: aim, simulated, sockets }) => [
      String(row),
      aim,
      verdict(simulated),
      sockets === undefined ? '–' : verdict(sockets),
    ]),
  );
}

/** The rows that are run on sockets. */
const socketRows = [1, 2, 3, 4, 7, 8, 9];

function sockets(row: number): string {
  const read = readResults(`sockets-${row}`);
  const command = `\`node benchmarks/published/sockets/run.ts ${row}\``;
  if (read === undefined) return `Row ${row} on sockets: no valid run yet (${command}).`;
  const head = `Row ${row} on sockets, medians of ${read.repetitions} repetitions, Node ${read.node} (${command}):`;
  if (row === 7) return `${head}\n\n${amplification(read)}`;
  const tables = Object.entries(read.results).map(([experiment, arms]) => armsTable(experiment, arms, [late]));
  return [head, ...tables].join('\n\n');
}

function pictures(row: number): string {
  return charts()
    .filter((chart) => chart.row === row)
    .map(({ file, title }) => `![${title}](charts/${file})`)
    .join('\n');
}

const simulated = (experiment: string) => () => armsTable(experiment, known('balancers').results[experiment] ?? {});

/** What stands between the marks, by name. */
const blocks: Readonly<Record<string, () => string>> = {
  wanted,
  'slow server': simulated('slow server'),
  sinkhole: simulated('sinkhole'),
  'fast and slow': simulated('fast and slow'),
  'uneven servers': simulated('uneven servers'),
  'bad pod': simulated('bad pod'),
  pages,
  amplification: () => amplification(known('retry-amplification')),
  metastable: () => armsTable('metastable', known('metastable').results.metastable ?? {}),
  criticality,
  ...Object.fromEntries(socketRows.map((row) => [`sockets ${row}`, () => sockets(row)])),
  ...Object.fromEntries([1, 4, 7, 8].map((row) => [`charts ${row}`, () => pictures(row)])),
};

/** Every block by its name. */
export function allBlocks(): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(blocks).map(([name, make]) => [name, make()]));
}

/**
 * The page with its blocks made anew.
 *
 * @throws Error for a mark that names none.
 */
export function refreshed(page: string): string {
  return page.replace(
    /(<!-- figures: (.+?) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => {
      const make = blocks[name];
      if (make === undefined)
        throw new Error(`docs/results.md asks for ${name}; there are ${Object.keys(blocks).join(', ')}`);
      return `${begin}\n${make()}\n\n${end}`;
    },
  );
}
