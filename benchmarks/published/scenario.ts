/**
 * How is a published experiment repeated? In simulated time, with an open-loop load (calls come when they come, however
 * slow the answers), the same for each arm and seed; figures are medians over the seeds.
 */
import type { MeshDocument } from '../../src/index.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { type Simulation, simulateMesh } from '../../src/testing/index.ts';

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
  const { clock } = simulation;
  const latenciesMs: number[] = [];
  let good = 0;
  let calls = 0;
  const call = async () => {
    const startedAt = clock.now();
    calls++;
    try {
      const { statusCode, body } = await simulation.mesh.request(`http://${host}/`);
      await body.dump();
      const latencyMs = clock.now() - startedAt;
      if (statusCode !== 200) return;
      latenciesMs.push(latencyMs);
      if (slowMs === undefined || latencyMs <= slowMs) good++;
    } catch {
      // It counts as what it is: no success.
    }
  };
  const pending: Promise<void>[] = [];
  const gapMs = 1_000 / callsPerSecond;
  for (let at = 0; at < durationMs; at += gapMs) {
    pending.push(call());
    await clock.advance(gapMs);
  }
  await finish(simulation, pending);
  const { received } = simulation.network;
  const shares = addresses.map(
    (address) => received.filter((one) => one.endpoint === address).length / received.length,
  );
  latenciesMs.sort((a, b) => a - b);
  return { success: good / calls, amplification: received.length / calls, shares, latenciesMs };
}

async function finish(simulation: Simulation, pending: readonly Promise<void>[]): Promise<void> {
  let done = false;
  const all = Promise.all(pending).then(() => {
    done = true;
  });
  while (!done) await simulation.clock.advance(100);
  await all;
  const closing = simulation.mesh.close({ timeoutMs: 1 });
  await simulation.clock.advance(10);
  await closing;
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
