/**
 * An open loop in real time: calls are started when they are due, and timed from then, so that a client that is late does
 * not hide it.
 */
import { performance } from 'node:perf_hooks';
import type { Experiment } from '../experiments.ts';
import type { Sample } from '../outcomes.ts';

/** One call. */
export interface LateSample extends Sample {
  /** How late it was started. */
  readonly lateMs: number;
}

/**
 * So many are started before the event loop has its turn. A server would read as much from its sockets: a client that is behind
 * may not be kept from its answers by ever more calls.
 */
const callsPerTurn = 16;

/** Makes the calls of `experiment`, and waits for them, at most `drainMs` beyond the last; those that take longer fail. */
export async function openLoop(
  { callsPerSecond, durationMs }: Experiment,
  call: () => Promise<number>,
  drainMs = 10_000,
): Promise<readonly LateSample[]> {
  const samples: LateSample[] = [];
  const running = new Map<number, number>();
  const start = performance.now();
  const since = (dueAt: number) => performance.now() - start - dueAt;
  const make = async (dueAt: number) => {
    const lateMs = since(dueAt);
    running.set(dueAt, lateMs);
    const status = await call().catch(() => undefined);
    if (running.delete(dueAt)) samples.push({ dueAt, latencyMs: since(dueAt), status, lateMs });
  };
  let dueAt = 0;
  while (dueAt < durationMs) {
    for (let made = 0; made < callsPerTurn && since(dueAt) >= 0 && dueAt < durationMs; made++) {
      void make(dueAt);
      dueAt += 1_000 / (typeof callsPerSecond === 'number' ? callsPerSecond : callsPerSecond(dueAt));
    }
    const earlyMs = -since(dueAt);
    if (earlyMs > 0) await pause(earlyMs);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  for (let waited = 0; running.size > 0 && waited < drainMs; waited += 50) await pause(50);
  for (const [dueAt, lateMs] of running) samples.push({ dueAt, latencyMs: since(dueAt), status: undefined, lateMs });
  running.clear();
  return samples;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
