/**
 * What does the demo print? One line that keeps changing on a terminal, plain lines elsewhere; and a table at the end.
 */
import { asMs, asPercent, percentile, percentOf, versionShares } from './figures.ts';
import type { Sample } from './load.ts';
import { isGood, type Take, type Verdict } from './scenes.ts';

/** A scene that was played. */
export interface Played {
  readonly title: string;
  readonly take: Take;
  readonly verdicts: readonly Verdict[];
}

/** Tells what happens while it happens. */
export class Progress {
  private readonly live = process.stdout.isTTY === true;
  private readonly startedAt = performance.now();
  private status = '';

  /** A line that stays. */
  readonly tell = (line: string): void => {
    const second = ((performance.now() - this.startedAt) / 1000).toFixed(1).padStart(5);
    this.write(`${this.live ? '\r\x1b[K' : ''}${second} s  ${line}\n${this.status}`);
  };

  /** The line that changes. Without a terminal there is none. */
  show(title: string, samples: readonly Sample[]): void {
    if (!this.live) return;
    this.status =
      samples.length === 0 ? title : `${title}: ${summary(samples)}`.slice(0, (process.stdout.columns ?? 80) - 1);
    this.write(`\r\x1b[K${this.status}`);
  }

  /** Ends the line that changes. */
  clear(): void {
    if (this.status !== '') this.write('\r\x1b[K');
    this.status = '';
  }

  private write(text: string): void {
    process.stdout.write(text);
  }
}

/** The pages of a moment in one line. */
function summary(samples: readonly Sample[]): string {
  return [
    `${samples.length} pages`,
    `${asPercent(percentOf(samples, isGood))} good`,
    `p50 ${asMs(percentile(samples, 0.5))}`,
    `p99 ${asMs(percentile(samples, 0.99))}`,
    sharesOf(samples),
  ].join(', ');
}

/** What was measured, and whether each promise was kept. */
export function table(played: readonly Played[]): string {
  const head = ['', 'pages', 'good', 'p50', 'p99', 'retries', 'reviews by version'];
  const rows = played.map(({ title, take }, index) => [
    `${index + 1} ${title}`,
    String(take.samples.length),
    asPercent(percentOf(take.samples, isGood)),
    asMs(percentile(take.samples, 0.5)),
    asMs(percentile(take.samples, 0.99)),
    String(take.retries),
    sharesOf(take.settled),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const isText = column === 0 || column === head.length - 1;
        return isText ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
      })
      .join('   ')
      .trimEnd();
  const lines = played.flatMap(({ verdicts }, index) => [
    line(rows[index] ?? []),
    ...verdicts.map(({ promise, measured, kept }) => `    ${kept ? '✓' : '✗ NOT KEPT:'} ${promise} (${measured})`),
  ]);
  return [line(head), ...lines].join('\n');
}

function sharesOf(samples: readonly Sample[]): string {
  return versionShares(samples)
    .map(([version, share]) => `${version} ${asPercent(share)}`)
    .join(', ');
}
