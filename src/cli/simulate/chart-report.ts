/**
 * What came of the scenarios, as pictures? Three charts for each: success, p99 and what the endpoints had to bear; as one
 * SVG, or in an HTML page with the tables.
 */
import { escaped, lineChart } from './line-chart.ts';
import type { Figures, ScenarioResult } from './run-scenario.ts';
import type { Setting } from './scenarios.ts';
import { textReport } from './text-report.ts';

/** Results of one document. */
export interface NamedResults {
  /** Of the document. */
  readonly name: string;
  readonly results: readonly ScenarioResult[];
  /** When the scenario was. */
  readonly setting: Setting;
}

const charts: readonly {
  readonly title: string;
  readonly yLabel: string;
  readonly figure: (figures: Figures) => number;
  readonly yTo?: number;
}[] = [
  { title: 'success', yLabel: '%', figure: ({ success }) => 100 * success, yTo: 100 },
  { title: 'p99', yLabel: 'ms', figure: ({ p99Ms }) => p99Ms },
  { title: 'requests per call', yLabel: '×', figure: ({ amplification }) => amplification, yTo: 2 },
  { title: 'ejections', yLabel: 'in a second', figure: ({ ejections }) => ejections, yTo: 1 },
];

const [chartWidth, chartHeight] = [640, 240];

/** All charts below each other, one `<svg>`. Each document is a line. */
export function svgReport(documents: readonly NamedResults[]): string {
  const pictures = allCharts(documents);
  const placed = pictures.map((svg, index) =>
    svg.replace('<svg ', `<svg y="${index * chartHeight}" width="${chartWidth}" height="${chartHeight}" `),
  );
  const height = pictures.length * chartHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${chartWidth} ${height}" width="${chartWidth}" height="${height}">${placed.join('')}</svg>\n`;
}

/** A page with the tables and the charts. It loads nothing. */
export function htmlReport(documents: readonly NamedResults[]): string {
  const tables = documents.flatMap(({ name, results }) =>
    results.map((result) => `<pre>${escaped(`${name}\n${textReport(result)}`)}</pre>`),
  );
  const figures = allCharts(documents).map((svg) => `<figure>${svg}</figure>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>inmesh simulate</title>
<style>body{font-family:sans-serif;max-width:60rem;margin:2rem auto}figure{margin:1rem 0}pre{overflow-x:auto}</style>
</head><body><h1>What the policy would do</h1>
${tables.join('\n')}
${figures.join('\n')}
</body></html>
`;
}

function allCharts(documents: readonly NamedResults[]): string[] {
  const [first] = documents;
  if (first === undefined) return [];
  const { fromMs, untilMs } = first.setting;
  return first.results
    .map(({ scenario }) => scenario)
    .flatMap((scenario, index) =>
      charts.map(({ title, yLabel, figure, yTo }) =>
        lineChart({
          title: `${scenario}: ${title}`,
          xLabel: 'seconds',
          yLabel,
          ...(yTo === undefined ? undefined : { yTo }),
          band: { from: fromMs / 1_000, until: untilMs / 1_000, label: scenario },
          lines: documents.map(({ name, results }) => ({
            name,
            points: (results[index]?.seconds ?? []).map((figures, second) => [second, figure(figures)] as const),
          })),
        }),
      ),
    );
}
