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

export const asPercent = (value: number): string => `${value.toFixed(value === 0 || value === 100 ? 0 : 1)} %`;
export const asMs = (value: number): string => `${Math.round(value)} ms`;
