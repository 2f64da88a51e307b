/**
 * Runs one arm of one experiment, with servers of its own: `node arm.ts <row> <experiment> <arm>`. Waits for the message
 * `start`, so that all arms of a repetition run at the same time; answers with `{ measured }`, `null` when this machine lacks
 * what the arm needs, or with `{ error }`. It ends with the process that has started it, and so do its servers.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { experimentNamed } from '../experiments.ts';
import { measure, type Outcomes, quantile, rounded } from '../outcomes.ts';
import type { Client } from './arms.ts';
import { end, nextMessage } from './child.ts';
import { openLoop } from './open-loop.ts';
import { rows } from './rows.ts';

/** What an arm says at its end. */
export interface Answer {
  readonly measured?: Outcomes | null;
  readonly error?: string;
}

const patienceMs = 20_000;
const warmUpMs = 2_000;

process.on('disconnect', () => process.exit());
// As an exit, so that a proxy is ended too.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(1));

const [row, name, armName] = process.argv.slice(2) as [string, string, string];
const experiment = experimentNamed(name);

try {
  await answer({ measured: await run() });
  process.exit();
} catch (error) {
  await answer({ error: String(error) });
  process.exit(1);
}

async function run(): Promise<Outcomes | null> {
  const server = fork(new URL('./server.ts', import.meta.url), [name]);
  const { addresses } = await nextMessage<{ addresses: string[] }>(server, 'the servers', patienceMs);
  const open = rows[row]?.arms[armName];
  await warmUp(await open?.(addresses));
  // What it learned is gone with it: this one knows nothing of the servers.
  const client = await open?.(addresses);
  process.send?.('ready');
  await once(process, 'message');
  if (client === undefined) return null;
  server.send('start');
  const samples = await openLoop(experiment, client.call);
  // What was cut off is still on its way to the servers' count.
  await pause(200);
  server.send('count');
  const { counts } = await nextMessage<{ counts: number[] }>(server, 'the servers', patienceMs);
  await client.close();
  await end(server);
  const late = samples.map(({ lateMs }) => lateMs).sort((a, b) => a - b);
  return { ...measure(experiment, samples, counts), lateMs: rounded(quantile(late, 0.99), 1) };
}

/** Code runs slowly at first; that is not what is measured. */
async function warmUp(client: Client | undefined): Promise<void> {
  if (client === undefined) return;
  const until = performance.now() + warmUpMs;
  const callers = Array.from({ length: 8 }, async () => {
    while (performance.now() < until) await client.call().catch(() => {});
  });
  await Promise.all(callers);
  await client.close();
}

function answer(message: Answer): Promise<unknown> {
  return new Promise((resolve) => process.send?.(message, resolve));
}
