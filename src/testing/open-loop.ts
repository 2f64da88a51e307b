/**
 * How is a simulated mesh put under load? With an open loop: calls come when they come, however slow the answers to those
 * before. A closed loop waits for slow answers, and so hides them (Tene's "coordinated omission").
 */
import type { CallOptions } from '../core/call-options.ts';
import type { Random } from '../core/random.ts';
import type { Simulation } from './simulate-mesh.ts';

/** What calls to make. */
export interface LoadOptions {
  readonly url: string;
  /** Default `GET`. */
  readonly method?: string;
  /** How many a second, at an instant since the start, in ms. More than 0. */
  readonly callsPerSecond: number | ((atMs: number) => number);
  /** For how long calls are started, in ms. */
  readonly durationMs: number;
  /** Draws the gaps between calls, exponentially, as strangers arrive. Default: all gaps are equal. */
  readonly random?: Random;
  /** Overrides of the call with this index, from 0 on. Default: none. */
  readonly overrides?: (index: number) => CallOptions;
}

/** One call of the load. */
export interface LoadSample {
  /** Which call it was, from 0 on. */
  readonly index: number;
  /** Since the start of the simulation, in ms. */
  readonly startedAt: number;
  /** When the body had ended, or the error came, in ms. */
  readonly endedAt: number;
  /** Of the head; undefined for a call without one. */
  readonly status: number | undefined;
  /** Why the call failed; undefined when its body was read to the end. */
  readonly error: unknown;
}

/** How far time is moved at once while the last calls end, and how far at most, in ms. */
const drainStepMs = 100;
const drainLimitMs = 300_000;

/**
 * Makes the calls, and moves time on until all have ended; those that have not after five minutes are left out. Moves
 * time only: the simulation stays open.
 */
export async function openLoop(simulation: Simulation, options: LoadOptions): Promise<readonly LoadSample[]> {
  const { clock } = simulation;
  const { url, method = 'GET', callsPerSecond, durationMs, random, overrides } = options;
  const samples: LoadSample[] = [];
  let started = 0;
  let running = 0;
  const call = async () => {
    const index = started++;
    const startedAt = clock.now();
    let status: number | undefined;
    let error: unknown;
    running++;
    try {
      const mesh = overrides?.(index);
      const reply = await simulation.mesh.request(url, mesh === undefined ? { method } : { method, mesh });
      status = reply.statusCode;
      await reply.body.arrayBuffer();
    } catch (cause) {
      error = cause;
    }
    running--;
    samples.push({ index, startedAt, endedAt: clock.now(), status, error });
  };
  const start = clock.now();
  for (let at = 0; at < durationMs; ) {
    void call();
    const rate = typeof callsPerSecond === 'number' ? callsPerSecond : callsPerSecond(at);
    const gapMs = (random === undefined ? 1 : -Math.log(1 - random.next())) * (1_000 / rate);
    at += gapMs;
    await clock.advance(start + Math.min(at, durationMs) - clock.now());
  }
  for (let drained = 0; running > 0 && drained < drainLimitMs; drained += drainStepMs) await clock.advance(drainStepMs);
  return samples;
}
