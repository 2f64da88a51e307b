/**
 * How does a figure change with time, as a picture? A line chart in SVG, of plain elements and without scripts, so that it
 * can be looked at in a browser, a README and a mail alike.
 */

/** One line. */
export interface ChartLine {
  readonly name: string;
  /** `[x, y]` in order of x; a `y` that is not finite interrupts the line. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A chart. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly ChartLine[];
  /** The part of the x axis that is shaded. */
  readonly band?: { readonly from: number; readonly until: number; readonly label: string };
  /** What the y axis begins with. Default 0. */
  readonly yFrom?: number;
  /** What it ends with, at least. Default: the greatest value. */
  readonly yTo?: number;
}

const [width, height] = [640, 240];
const margin = { top: 32, right: 16, bottom: 56, left: 64 };
const plotWidth = width - margin.left - margin.right;
const plotHeight = height - margin.top - margin.bottom;

/** Colours that are told apart by people who do not see all of them (Okabe and Ito). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** About so many lines across. */
const wantedTicks = 4;

/** The chart as an `<svg>` element. */
export function lineChart(chart: Chart): string {
  const { title, lines, xLabel, yLabel, band } = chart;
  const points = lines.flatMap((line) => line.points).filter(([, y]) => Number.isFinite(y));
  const [xs, ys] = [points.map(([at]) => at), points.map(([, at]) => at)];
  const x = axis(xs[0] ?? 0, xs.length === 0 ? 0 : Math.max(...xs), (at) => margin.left + at * plotWidth);
  const yTo = Math.max(chart.yTo ?? Number.NEGATIVE_INFINITY, ...ys);
  const yFrom = chart.yFrom ?? 0;
  const y = axis(yFrom, Number.isFinite(yTo) ? yTo : yFrom, (at) => margin.top + (1 - at) * plotHeight);
  const bottom = margin.top + plotHeight;
  const parts = [
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 18, title, 'font-weight="bold"'),
    ...(band === undefined ? [] : shade(x.at(band.from), x.at(band.until), band.label)),
    ...y.ticks.flatMap((tick) => [
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y.at(tick)}" y2="${y.at(tick)}" stroke="#dddddd"/>`,
      text(margin.left - 6, y.at(tick) + 4, shown(tick), 'text-anchor="end"'),
    ]),
    ...x.ticks.map((tick) => text(x.at(tick), bottom + 16, shown(tick), 'text-anchor="middle"')),
    text(margin.left + plotWidth / 2, bottom + 32, xLabel, 'text-anchor="middle"'),
    `<g transform="rotate(-90)">${text(-(margin.top + plotHeight / 2), 14, yLabel, 'text-anchor="middle"')}</g>`,
    ...lines.map(
      (line, index) =>
        `<path d="${pathOf(line, x.at, y.at)}" fill="none" stroke="${colour(index)}" stroke-width="1.5"/>`,
    ),
    ...lines.map((line, index) => legend(line.name, index, lines.length)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" role="img" aria-label="${escaped(title)}">${parts.join('')}</svg>`;
}

interface Axis {
  /** The place of a value in the picture. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

function axis(from: number, to: number, place: (share: number) => number): Axis {
  const span = to > from ? to - from : 1;
  const raw = span / wantedTicks;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
  const ticks: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= from + span * 1.000_001; tick += step) ticks.push(tick);
  return { at: (value) => round(place((value - from) / span)), ticks };
}

function pathOf({ points }: ChartLine, x: Axis['at'], y: Axis['at']): string {
  let drawing = false;
  return points
    .map(([px, py]) => {
      const command = drawing ? 'L' : 'M';
      drawing = Number.isFinite(py);
      return drawing ? `${command}${x(px)} ${y(py)}` : '';
    })
    .join('');
}

function shade(from: number, until: number, label: string): string[] {
  return [
    `<rect x="${from}" y="${margin.top}" width="${round(until - from)}" height="${plotHeight}" fill="#fff3d6"/>`,
    text(from + 4, margin.top + 12, label, 'fill="#8a6d1a"'),
  ];
}

function legend(name: string, index: number, count: number): string {
  const left = margin.left + (index * plotWidth) / count;
  return `<rect x="${round(left)}" y="${height - 14}" width="10" height="3" fill="${colour(index)}"/>${text(left + 14, height - 9, name)}`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`;
}

function colour(index: number): string {
  return colours[index % colours.length] as string;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Text as it may stand in XML. */
export function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
