/**
 * How is a published experiment repeated? In simulated time, with an open-loop load (calls come when they come, however
 * slow the answers), the same for each arm and seed; figures are medians over the seeds.
 */
import type { MeshDocument } from '../../src/index.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { openLoop, simulateMesh } from '../../src/testing/index.ts';

/** How a service is used. */
export type Policy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

/** An experiment. */
export interface Scenario {
  /** Of the endpoints, in order. */
  readonly endpoints: readonly EndpointProfile[];
  readonly callsPerSecond: number;
  readonly durationMs: number;
  /** An answer that takes longer is a failure. Default: none is too slow. */
  readonly slowMs?: number;
  readonly policy: Policy;
}

/** What came of it. */
export interface Outcomes {
  /** Calls with a 200 in time, 0–1. */
  readonly success: number;
  /** Attempts for each call. */
  readonly amplification: number;
  /** The share of the attempts that each endpoint got. */
  readonly shares: readonly number[];
  /** Latencies of the calls with a 200, in ms, in order. */
  readonly latenciesMs: readonly number[];
}

const host = 'published';

/** Seeds of the repetitions. */
export const seeds: readonly number[] = [1, 2, 3, 4, 5];

function addressOf(index: number): string {
  return `10.0.${index >> 8}.${index & 255}:80`;
}

/** Runs a scenario once. */
export async function run(
  { endpoints, callsPerSecond, durationMs, slowMs, policy }: Scenario,
  seed: number,
): Promise<Outcomes> {
  const addresses = endpoints.map((_, index) => addressOf(index));
  const simulation = await simulateMesh({
    document: { services: [{ host, endpoints: addresses.map((address) => ({ address })), trafficPolicy: policy }] },
    seed,
    endpoints: Object.fromEntries(endpoints.map((profile, index) => [addressOf(index), profile])),
  });
  const samples = await openLoop(simulation, { url: `http://${host}/`, callsPerSecond, durationMs });
  await simulation.close({ timeoutMs: 1 });
  const good = samples.filter(({ status, error }) => status === 200 && error === undefined);
  const latenciesMs = good.map(({ startedAt, endedAt }) => endedAt - startedAt).sort((a, b) => a - b);
  const inTime = slowMs === undefined ? latenciesMs : latenciesMs.filter((latencyMs) => latencyMs <= slowMs);
  const { received } = simulation.network;
  const shares = addresses.map(
    (address) => received.filter((one) => one.endpoint === address).length / received.length,
  );
  const calls = samples.length;
  return { success: inTime.length / calls, amplification: received.length / calls, shares, latenciesMs };
}

/** The q-quantile of sorted values. */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** The median of a figure over the seeds. */
export async function medianOf(scenario: Scenario): Promise<(pick: (outcomes: Outcomes) => number) => number> {
  const all: Outcomes[] = [];
  for (const seed of seeds) all.push(await run(scenario, seed));
  return (pick) => {
    const values = all.map(pick).sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)] as number;
  };
}

/** `0.99952` as `99.95%`. */
export function percent(share: number, digits = 2): string {
  return `${(share * 100).toFixed(digits)}%`;
}
