/**
 * How is a published experiment repeated in simulated time? With an open-loop load (calls come when they come, however slow
 * the answers), the same for each arm and seed, and the real mesh over fake servers.
 */
import { parseArgs } from 'node:util';
import type { CallOptions } from '../../src/core/call-options.ts';
import { openLoop, simulateMesh } from '../../src/testing/index.ts';
import { type Experiment, experimentNamed } from './experiments.ts';
import { measure, type Outcomes } from './outcomes.ts';
import type { Policies, Policy } from './policies.ts';
import { type Results, writeResults } from './results.ts';

const host = 'published';

/** Seeds of the repetitions. */
export const seeds: readonly number[] = [1, 2, 3, 4, 5];

/** What the calls of a scenario have. */
export interface Calls {
  /** As in `createMesh`. */
  readonly defaults?: CallOptions;
  /** Of each call, by its index. */
  readonly overrides?: (index: number) => CallOptions;
  /** What kind of call it is; figures are kept of each kind. */
  readonly kindOf?: (index: number) => string;
}

function addressOf(index: number): string {
  return `10.0.${index >> 8}.${index & 255}:80`;
}

/** Runs an experiment once. */
export async function run(experiment: Experiment, policy: Policy, seed: number, calls: Calls = {}): Promise<Outcomes> {
  const { endpoints, callsPerSecond, durationMs } = experiment;
  const { defaults = {}, overrides, kindOf } = calls;
  const addresses = endpoints.map((_, index) => addressOf(index));
  const simulation = await simulateMesh({
    document: { services: [{ host, endpoints: addresses.map((address) => ({ address })), trafficPolicy: policy }] },
    seed,
    endpoints: Object.fromEntries(endpoints.map((profile, index) => [addressOf(index), profile])),
    defaults,
  });
  const load = { url: `http://${host}/`, callsPerSecond, durationMs };
  const samples = await openLoop(simulation, overrides === undefined ? load : { ...load, overrides });
  await simulation.close({ timeoutMs: 1 });
  const { received } = simulation.network;
  return measure(
    experiment,
    samples.map(({ index, startedAt, endedAt, status, error }) => ({
      dueAt: startedAt,
      latencyMs: endedAt - startedAt,
      status: error === undefined ? status : undefined,
      ...(kindOf === undefined ? {} : { kind: kindOf(index) }),
    })),
    addresses.map((address) => received.filter(({ endpoint }) => endpoint === address).length),
  );
}

/** One arm of an experiment, with a seed. */
export type Arm = (experiment: Experiment, seed: number) => Outcomes | Promise<Outcomes>;

/** The arms that are these policies. */
export function meshArms(policies: Policies, calls: Calls = {}): Readonly<Record<string, Arm>> {
  const arms = Object.entries(policies).map(([name, policy]): [string, Arm] => [
    name,
    (experiment, seed) => run(experiment, policy, seed, calls),
  ]);
  return Object.fromEntries(arms);
}

/** Of the command line: only arms with this in their names. */
const { values } = parseArgs({ options: { arms: { type: 'string', default: '' } } });

/** Runs arms with all seeds. */
export async function repeat<T>(
  arms: Readonly<Record<string, (seed: number) => T | Promise<T>>>,
): Promise<Record<string, readonly T[]>> {
  const outcomes: Record<string, readonly T[]> = {};
  for (const [name, arm] of Object.entries(arms)) {
    if (!name.includes(values.arms)) continue;
    const all: T[] = [];
    for (const seed of seeds) all.push(await arm(seed));
    outcomes[name] = all;
  }
  return outcomes;
}

/** Runs the arms of an experiment with all seeds. */
export function compare(
  experiment: string,
  arms: Readonly<Record<string, Arm>>,
): Promise<Record<string, readonly Outcomes[]>> {
  const made = Object.entries(arms).map(([name, arm]): [string, (seed: number) => Outcomes | Promise<Outcomes>] => [
    name,
    (seed) => arm(experimentNamed(experiment), seed),
  ]);
  return repeat(Object.fromEntries(made));
}

/** Writes benchmarks/results/`name`.json, unless some arms were left out. */
export function keep<T>(name: string, results: Results<T>['results']): void {
  if (values.arms === '') writeResults(name, seeds.length, results);
}
