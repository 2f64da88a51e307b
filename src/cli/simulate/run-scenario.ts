/**
 * What would a document do in a scenario? The real mesh runs it in simulated time, under an open load, and is watched second
 * by second from both sides: what callers got, and what the endpoints saw.
 */
import type { MeshDocument } from '../../config/schema.ts';
import { events } from '../../core/events.ts';
import { seededRandom } from '../../core/random.ts';
import { type LoadSample, openLoop } from '../../testing/open-loop.ts';
import { simulateMesh } from '../../testing/simulate-mesh.ts';
import { type ScenarioName, type Setting, scenarios } from './scenarios.ts';

/** What is run. */
export interface RunOptions {
  /** With endpoints, see `simulated-document.ts`. */
  readonly document: MeshDocument;
  /** The service that the scenario happens to. */
  readonly service: string;
  readonly scenario: ScenarioName;
  readonly setting: Setting;
  readonly url: string;
  readonly method: string;
  /** Where the callers are; empty for unknown. */
  readonly locality: string;
  /** The usual load. */
  readonly callsPerSecond: number;
  readonly durationMs: number;
  /** An answer that takes longer is no success. */
  readonly slowMs: number;
  readonly seed: number;
}

/** What came of calls that started within some time. */
export interface Figures {
  readonly calls: number;
  /** Calls with a status below 500, and the end of their body in time, 0–1. */
  readonly success: number;
  /** Of the calls that succeeded, in ms; NaN without any. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Requests that endpoints of any service saw or refused, for each call. */
  readonly amplification: number;
  /** Ejections of endpoints of the service. */
  readonly ejections: number;
}

/** A scenario that was run. */
export interface ScenarioResult {
  readonly scenario: ScenarioName;
  readonly before: Figures;
  readonly during: Figures;
  readonly after: Figures;
  /** One for each second. */
  readonly seconds: readonly Figures[];
}

/** What happened, with its instants in ms. */
interface Observed {
  readonly samples: readonly LoadSample[];
  readonly attempts: readonly number[];
  readonly ejections: readonly number[];
}

/** The mesh draws from one sequence, callers from another. */
const arrivalSeed = 0x51ed2701;

/** Runs a scenario once. */
export async function runScenario(options: RunOptions): Promise<ScenarioResult> {
  const { scenario, setting, durationMs, slowMs } = options;
  const observed = await observe(options);
  const figures = (fromMs: number, untilMs: number) => figuresOf(observed, slowMs, fromMs, untilMs);
  return {
    scenario,
    before: figures(0, setting.fromMs),
    during: figures(setting.fromMs, setting.untilMs),
    after: figures(setting.untilMs, durationMs),
    seconds: Array.from({ length: Math.ceil(durationMs / 1_000) }, (_, index) =>
      figures(index * 1_000, (index + 1) * 1_000),
    ),
  };
}

async function observe(options: RunOptions): Promise<Observed> {
  const { document, service, scenario, setting, url, method, locality, callsPerSecond, durationMs, seed } = options;
  const { profiles, load } = scenarios[scenario].weather(setting);
  const place = locality === '' ? {} : { locality };
  const simulation = await simulateMesh({ document, seed, endpoints: profiles, ...place });
  const { clock } = simulation;
  const ejections: number[] = [];
  const onEject = (message: unknown) => {
    if ((message as { service: string }).service === service) ejections.push(clock.now());
  };
  const attempts: number[] = [];
  const onAttempt = () => attempts.push(clock.now());
  events.eject.subscribe(onEject);
  events.attemptStart.subscribe(onAttempt);
  try {
    const pushed = (atMs: number) => atMs >= setting.fromMs && atMs < setting.untilMs;
    const samples = await openLoop(simulation, {
      url,
      method,
      callsPerSecond: (atMs) => callsPerSecond * (pushed(atMs) ? load : 1),
      durationMs,
      random: seededRandom(seed ^ arrivalSeed),
    });
    return { samples, attempts, ejections };
  } finally {
    events.eject.unsubscribe(onEject);
    events.attemptStart.unsubscribe(onAttempt);
    await simulation.close({ timeoutMs: 1 });
  }
}

function figuresOf(observed: Observed, slowMs: number, fromMs: number, untilMs: number): Figures {
  const within = (at: number) => at >= fromMs && at < untilMs;
  const samples = observed.samples.filter(({ startedAt }) => within(startedAt));
  const latencies = samples
    .filter((sample) => isGood(sample, slowMs))
    .map(({ startedAt, endedAt }) => endedAt - startedAt);
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? Number.NaN;
  return {
    calls: samples.length,
    success: latencies.length / samples.length,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    p999Ms: quantile(0.999),
    amplification: observed.attempts.filter(within).length / samples.length,
    ejections: observed.ejections.filter(within).length,
  };
}

function isGood({ status, error, startedAt, endedAt }: LoadSample, slowMs: number): boolean {
  return error === undefined && status !== undefined && status < 500 && endedAt - startedAt <= slowMs;
}
