import { describe, expect, it } from 'vitest';
import { failurePercentageDefaults, successRateDefaults } from '../../../src/resilience/outlier/outlier-options.ts';
import { failurePercentageOutliers, successRateOutliers } from '../../../src/resilience/outlier/rate-outliers.ts';

/** Members by the share of their 100 attempts that fail, in percent. */
function tallies(...failures: number[]) {
  return failures.map((failed) => ({ attempts: 100, failures: failed }));
}

function failuresOf(found: readonly { failures: number }[]): number[] {
  return found.map(({ failures }) => failures);
}

describe('successRateOutliers', () => {
  it('finds who succeeds less often than the mean minus 1.9 standard deviations', () => {
    expect(failuresOf(successRateOutliers(tallies(0, 0, 0, 0, 0, 30), successRateDefaults))).toEqual([30]);
  });

  it('finds nobody where four cannot tell, nor where all are alike', () => {
    expect(successRateOutliers(tallies(0, 0, 0, 100), { ...successRateDefaults, minimumHosts: 2 })).toEqual([]);
    expect(successRateOutliers(tallies(40, 40, 40, 40, 40, 40), successRateDefaults)).toEqual([]);
  });

  it('finds the worst first', () => {
    const options = { ...successRateDefaults, stdevFactor: 1 };
    expect(failuresOf(successRateOutliers(tallies(0, 0, 0, 0, 0, 0, 60, 80), options))).toEqual([80, 60]);
  });

  it('judges nobody when too few have volume, and counts only those who have', () => {
    const few = { attempts: 99, failures: 99 };
    expect(successRateOutliers([...tallies(0, 0, 0, 90), few, few], successRateDefaults)).toEqual([]);
    expect(failuresOf(successRateOutliers([...tallies(0, 0, 0, 0, 0, 30), few], successRateDefaults))).toEqual([30]);
  });
});

describe('failurePercentageOutliers', () => {
  it('finds who fails as often as the threshold, whatever the others do, the worst first', () => {
    const found = failurePercentageOutliers(tallies(85, 100, 84, 90, 0), failurePercentageDefaults);
    expect(failuresOf(found)).toEqual([100, 90, 85]);
  });

  it('judges nobody when too few have volume', () => {
    expect(failurePercentageOutliers(tallies(100, 100, 100, 100), failurePercentageDefaults)).toEqual([]);
  });

  it('passes over those without an attempt', () => {
    const idle = { attempts: 0, failures: 0 };
    const options = { threshold: 1, minimumHosts: 2, requestVolume: 0 };
    expect(failurePercentageOutliers([idle, idle, ...tallies(0, 1)], options)).toEqual([
      { attempts: 100, failures: 1 },
    ]);
  });
});
