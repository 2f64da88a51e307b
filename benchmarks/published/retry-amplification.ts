/**
 * How much load do retries add while a service fails? With a fixed number of retries, as many times; with a budget, a fifth
 * (Google, "Site Reliability Engineering", ch. 22: 3 retries make a fourfold load at a failure of everything).
 *
 * In simulated time, medians of five seeds. node benchmarks/published/retry-amplification.ts
 */
import { writeFileSync } from 'node:fs';
import { medianOf, type Policy } from './scenario.ts';

const three = { max: 3, retryOn: '500' };
const all: Policy = { outlierDetection: { disabled: true } };
const arms: Readonly<Record<string, Policy>> = {
  'no retries': { ...all, retries: { max: 0 } },
  'three retries': { ...all, retries: three, retryBudget: { percent: 100, minRetriesPerSecond: 1_000_000 } },
  'three retries, budget (default)': { ...all, retries: three },
};
const failureRates = [0, 0.1, 0.25, 0.5, 0.75, 1];

const results: Record<string, Record<string, string>> = {};
for (const [name, policy] of Object.entries(arms)) {
  const row: Record<string, string> = {};
  for (const probability of failureRates) {
    const faults = [{ kind: 'status' as const, status: 500, probability }];
    const endpoints = Array.from({ length: 4 }, () => ({ faults: probability === 0 ? [] : faults }));
    const medians = await medianOf({ endpoints, callsPerSecond: 500, durationMs: 10_000, policy });
    row[`${probability * 100}% fail`] = `${medians(({ amplification }) => amplification).toFixed(2)}×`;
  }
  results[name] = row;
}
console.table(results);
writeFileSync(
  new URL('../results/retry-amplification.json', import.meta.url),
  `${JSON.stringify({ node: process.version, results }, undefined, 2)}\n`,
);
