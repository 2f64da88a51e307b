/**
 * What would this policy do, before it is deployed? `inmesh simulate` runs a document in simulated time through scenarios,
 * with the mesh as it is and fake endpoints, and prints what callers and endpoints would have seen.
 */
import { writeFile } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { htmlReport, type NamedResults, svgReport } from './chart-report.ts';
import { planRuns, type SimulateArguments } from './plan-runs.ts';
import { runScenario, type ScenarioResult } from './run-scenario.ts';
import { textReport } from './text-report.ts';

/** The exit codes of {@link simulate}. */
const simulated = 0;
const unusable = 1;

/**
 * Runs the documents at `paths` together, as a mesh would load them, and prints each scenario as it ends. Answers with the
 * exit code.
 */
export async function simulate(
  paths: readonly string[],
  given: SimulateArguments,
  streams: { readonly out: Writable; readonly err: Writable },
): Promise<number> {
  try {
    const { scenarios, documents } = await planRuns(paths, given);
    const reports: NamedResults[] = [];
    for (const { name, options } of documents) {
      const results: ScenarioResult[] = [];
      for (const scenario of scenarios) {
        const result = await runScenario({ ...options, scenario });
        results.push(result);
        streams.out.write(`${documents.length > 1 ? `${name}\n` : ''}${textReport(result)}\n\n`);
      }
      reports.push({ name, results, setting: options.setting });
    }
    if (given.svg !== undefined) await writeFile(given.svg, svgReport(reports));
    if (given.html !== undefined) await writeFile(given.html, htmlReport(reports));
    return simulated;
  } catch (error) {
    streams.err.write(`${(error as Error).message}\n`);
    return unusable;
  }
}
