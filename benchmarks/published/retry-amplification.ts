/**
 * How much load do retries add while a service fails? With a fixed number of retries, as many times; with a budget, a fifth
 * (Google, "Site Reliability Engineering", ch. 22: 3 retries make a fourfold load at a failure of everything).
 *
 * In simulated time, five seeds. Writes benchmarks/results/retry-amplification.json.
 *
 * node benchmarks/published/retry-amplification.ts
 */
import { failurePercents } from './experiments.ts';
import { median, type Outcomes } from './outcomes.ts';
import { retryPolicies } from './policies.ts';
import { compare, keep, meshArms } from './scenario.ts';

const results: Record<string, Record<string, readonly Outcomes[]>> = {};
for (const percent of failurePercents) {
  results[`${percent}% fail`] = await compare(`${percent}% fail`, meshArms(retryPolicies));
}
console.table(
  Object.fromEntries(
    Object.entries(results).map(([experiment, arms]) => [
      experiment,
      Object.fromEntries(
        Object.entries(arms).map(([arm, all]) => [
          arm,
          median(all.map(({ amplification }) => amplification)).toFixed(2),
        ]),
      ),
    ]),
  ),
);
keep('retry-amplification', results);
