/**
 * Runs one arm of one experiment, with servers of its own: `node arm.ts <row> <experiment> <arm>`. Waits for the message
 * `start`, so that all arms of a repetition run at the same time; answers with what it measured, or `null` when this machine
 * lacks what the arm needs.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { type Experiment, experiments } from '../experiments.ts';
import { openLoop, type Sample } from './open-loop.ts';
import { rows } from './rows.ts';

/** What an arm measured. */
export interface Measured {
  readonly calls: number;
  /** Calls with a 200 in time, 0–1. */
  readonly success: number;
  /** Requests that servers saw, for each call. */
  readonly amplification: number;
  /** The share of them of each server. */
  readonly shares: readonly number[];
  /** Of the calls with a 200, at 0, 0.1, …, 99.9%: see {@link quantiles}. */
  readonly latenciesMs: readonly number[];
  /** Calls with a 200 in time, by the second in which they were due. */
  readonly goodPerSecond: readonly number[];
  /** How late calls were started, p99. Much of it, and the machine was too busy. */
  readonly lateMs: number;
}

/** The quantiles that are kept. */
export const quantiles = [0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

const [row, name, armName] = process.argv.slice(2) as [string, string, string];
const experiment = (experiments as Readonly<Record<string, Experiment>>)[name] as Experiment;

const server = fork(new URL('./server.ts', import.meta.url), [name]);
const [{ addresses }] = (await once(server, 'message')) as [{ addresses: string[] }];
const client = await rows[row]?.arms[armName]?.(addresses);
process.send?.('ready');
await once(process, 'message');
if (client === undefined) await report(null);
else {
  server.send('start');
  const samples = await openLoop(experiment, client.call);
  // What was cut off is still on its way to the servers' count.
  await pause(200);
  server.send('count');
  const [{ counts }] = (await once(server, 'message')) as [{ counts: number[] }];
  await client.close();
  await report(measure(samples, counts));
}

async function report(measured: Measured | null): Promise<void> {
  server.disconnect();
  await once(server, 'exit');
  await new Promise((resolve) => process.send?.({ measured }, resolve));
  process.disconnect();
}

function measure(samples: readonly Sample[], counts: readonly number[]): Measured {
  const good = samples.filter(({ status }) => status === 200);
  const inTime = good.filter(({ latencyMs }) => latencyMs <= (experiment.slowMs ?? Number.POSITIVE_INFINITY));
  const latencies = good.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const late = samples.map(({ lateMs }) => lateMs).sort((a, b) => a - b);
  const goodPerSecond = new Array<number>(Math.ceil(experiment.durationMs / 1_000)).fill(0);
  for (const { dueAt } of inTime)
    goodPerSecond[Math.floor(dueAt / 1_000)] = (goodPerSecond[Math.floor(dueAt / 1_000)] ?? 0) + 1;
  const received = counts.reduce((sum, count) => sum + count, 0);
  return {
    calls: samples.length,
    success: inTime.length / samples.length,
    amplification: received / samples.length,
    shares: counts.map((count) => count / received),
    latenciesMs: quantiles.map(
      (q) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? -1,
    ),
    goodPerSecond,
    lateMs: late[Math.floor(0.99 * late.length)] ?? -1,
  };
}
