/**
 * What came of the scenarios, in a terminal? A table for each, and below it how the figures went second by second.
 */
import type { Figures, ScenarioResult } from './run-scenario.ts';
import { scenarios } from './scenarios.ts';

/** The columns: what a figure is called, and how it is written. */
const columns: readonly (readonly [name: string, text: (figures: Figures) => string])[] = [
  ['calls', ({ calls }) => String(calls)],
  ['success', ({ success }) => share(success)],
  ['p50', ({ p50Ms }) => duration(p50Ms)],
  ['p99', ({ p99Ms }) => duration(p99Ms)],
  ['p99.9', ({ p999Ms }) => duration(p999Ms)],
  ['requests per call', ({ amplification }) => multiple(amplification)],
  ['ejections', ({ ejections }) => String(ejections)],
];

/** What is drawn: the figure, whether its bad side is the low one, and how its best and worst are written. */
const strips: readonly {
  readonly name: string;
  readonly figure: (figures: Figures) => number;
  readonly lowIsBad?: boolean;
  readonly text: (value: number) => string;
}[] = [
  { name: 'success', figure: ({ success }) => success, lowIsBad: true, text: share },
  { name: 'p99', figure: ({ p99Ms }) => p99Ms, text: duration },
  { name: 'requests per call', figure: ({ amplification }) => amplification, text: multiple },
  { name: 'ejections', figure: ({ ejections }) => ejections, text: String },
];

const blocks = '▁▂▃▄▅▆▇█';
const stripWidth = 60;
const nameWidth = 18;

/** The report of one scenario. */
export function textReport(result: ScenarioResult): string {
  const { scenario, before, during, after } = result;
  const rows = [
    ['', ...columns.map(([name]) => name)],
    ...Object.entries({ before, during, after }).map(([phase, figures]) => [
      phase,
      ...columns.map(([, text]) => text(figures)),
    ]),
  ];
  return [`${scenario}: ${scenarios[scenario].summary}`, ...aligned(rows), ...drawn(result)].join('\n');
}

/** Each column as wide as its widest cell, figures to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
}

function drawn({ seconds }: ScenarioResult): string[] {
  const perCell = Math.ceil(seconds.length / stripWidth);
  return strips.map(({ name, figure, lowIsBad = false, text }) => {
    const values = seconds.map(figure);
    const known = values.filter(Number.isFinite);
    if (known.length === 0) return `${name.padEnd(nameWidth)}–`;
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const scaleFrom = lowIsBad ? Math.min(low, 0.9 * high) : 0;
    let strip = '';
    for (let start = 0; start < values.length; start += perCell) {
      const cell = values.slice(start, start + perCell).filter(Number.isFinite);
      strip += cell.length === 0 ? ' ' : block(lowIsBad ? Math.min(...cell) : Math.max(...cell), scaleFrom, high);
    }
    return `${name.padEnd(nameWidth)}${strip}  ${text(low)} … ${text(high)}`;
  });
}

function block(value: number, from: number, to: number): string {
  const level = to > from ? (value - from) / (to - from) : 0;
  return blocks[Math.min(blocks.length - 1, Math.floor(level * blocks.length))] as string;
}

/** `0.9995` as `99.95%`. */
export function share(value: number): string {
  return Number.isFinite(value) ? `${(value * 100).toFixed(2)}%` : '–';
}

/** `12.3` as `12 ms`. */
export function duration(value: number): string {
  return Number.isFinite(value) ? `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms` : '–';
}

/** `1.2` as `1.20×`. */
export function multiple(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)}×` : '–';
}
