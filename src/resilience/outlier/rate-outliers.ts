/**
 * Why rates, when failures in a row eject already? Because a member that fails nine times of ten hardly ever fails five
 * times in a row between its successes, and yet is as good as down. Rates need volume to mean something, and others to be
 * compared with (Envoy's outlier detection, `source/common/upstream/outlier_detection_impl.cc`,
 * `processSuccessRateEjections`).
 */
import type { FailurePercentageOptions, SuccessRateOptions } from './outlier-options.ts';

/** What one member did in an interval. */
export interface Tally {
  /** Attempts that say something about the member. */
  readonly attempts: number;
  readonly failures: number;
}

/**
 * Those whose success rate is below the mean of all minus `stdevFactor` standard deviations, the worst first. The
 * deviation is that of a population, so among n members the only bad one is √(n-1) of them away: with the default factor of
 * 1.9 it takes five.
 */
export function successRateOutliers<T extends Tally>(tallies: readonly T[], options: SuccessRateOptions): T[] {
  const judged = enough(tallies, options);
  const mean = judged.reduce((sum, tally) => sum + successRate(tally), 0) / judged.length;
  const variance = judged.reduce((sum, tally) => sum + (successRate(tally) - mean) ** 2, 0) / judged.length;
  const threshold = mean - options.stdevFactor * Math.sqrt(variance);
  return worstFirst(judged.filter((tally) => successRate(tally) < threshold));
}

/** Those with `threshold` percent of failures or more, the worst first. */
export function failurePercentageOutliers<T extends Tally>(
  tallies: readonly T[],
  options: FailurePercentageOptions,
): T[] {
  const judged = enough(tallies, options);
  return worstFirst(judged.filter(({ attempts, failures }) => failures * 100 >= options.threshold * attempts));
}

/** Those with volume; nobody when they are too few. */
function enough<T extends Tally>(
  tallies: readonly T[],
  { minimumHosts, requestVolume }: { readonly minimumHosts: number; readonly requestVolume: number },
): T[] {
  const judged = tallies.filter(({ attempts }) => attempts > 0 && attempts >= requestVolume);
  return judged.length < minimumHosts ? [] : judged;
}

function successRate({ attempts, failures }: Tally): number {
  return (attempts - failures) / attempts;
}

function worstFirst<T extends Tally>(tallies: T[]): T[] {
  return tallies.sort((a, b) => successRate(a) - successRate(b));
}
