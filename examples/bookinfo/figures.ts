/**
 * What do many pages come to?
 */
import type { Sample } from './load.ts';

/** The latency that this share of the pages did not exceed, in ms; NaN without pages. */
export function percentile(samples: readonly Sample[], share: number): number {
  const sorted = samples.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** In percent of the pages; NaN without pages. */
export function percentOf(samples: readonly Sample[], counts: (sample: Sample) => boolean): number {
  return samples.length === 0 ? Number.NaN : (100 * samples.filter(counts).length) / samples.length;
}

/** The share of each version of the reviews, in percent, by name. */
export function versionShares(samples: readonly Sample[]): readonly (readonly [string, number])[] {
  const versions = new Set(samples.map(({ version }) => version ?? 'none'));
  return [...versions].sort().map((name) => [name, percentOf(samples, ({ version }) => (version ?? 'none') === name)]);
}

/** Only what is exactly 100 % is shown as such. */
export function asPercent(value: number): string {
  if (value === 0 || value === 100) return `${value} %`;
  return `${Math.min(99.9, Math.max(0.1, value)).toFixed(1)} %`;
}

/** In whole ms. */
export function asMs(value: number): string {
  return `${Math.round(value)} ms`;
}
