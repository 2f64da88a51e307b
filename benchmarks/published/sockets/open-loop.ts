/**
 * An open loop in real time: calls are started when they are due, and timed from then, so that a client that is late does
 * not hide it.
 */
import { performance } from 'node:perf_hooks';
import type { Experiment } from '../experiments.ts';

/** One call. */
export interface Sample {
  /** When it was due, in ms since the start. */
  readonly dueAt: number;
  /** From then to the end of its body, or its error. */
  readonly latencyMs: number;
  /** Undefined for an error. */
  readonly status: number | undefined;
  /** How late it was started. */
  readonly lateMs: number;
}

/** Makes the calls of `experiment`, and waits for them, at most `drainMs` beyond the last. */
export async function openLoop(
  { callsPerSecond, durationMs }: Experiment,
  call: () => Promise<number>,
  drainMs = 10_000,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const start = performance.now();
  let running = 0;
  const make = async (dueAt: number) => {
    running++;
    const lateMs = performance.now() - start - dueAt;
    const status = await call().catch(() => undefined);
    samples.push({ dueAt, latencyMs: performance.now() - start - dueAt, status, lateMs });
    running--;
  };
  let dueAt = 0;
  while (dueAt < durationMs) {
    const now = performance.now() - start;
    while (dueAt <= now && dueAt < durationMs) {
      void make(dueAt);
      dueAt += 1_000 / (typeof callsPerSecond === 'number' ? callsPerSecond : callsPerSecond(dueAt));
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - (performance.now() - start))));
  }
  for (let waited = 0; running > 0 && waited < drainMs; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return samples;
}
