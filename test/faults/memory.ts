/**
 * Does the mesh keep anything of a call? Runs calls of every kind and outcome, and prints the heap in use after a
 * tenth of them and after all, each time collected.
 *
 * `node --expose-gc test/faults/memory.ts`; `MEMORY_CALLS` is how many calls (default 1,000,000). Prints
 * `{ calls, earlyBytes, lateBytes }`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { request } from 'undici';
import { createMesh, type Mesh } from '../../src/index.ts';

const concurrency = 32;
const url = 'http://reviews';

/** In a process of its own, so that its heap is not measured. */
function serve(): void {
  const server = createServer((incoming, response) => {
    if (incoming.url === '/503') response.statusCode = 503;
    if (incoming.url === '/silent') return;
    if (incoming.url === '/reset') incoming.socket.destroy();
    else response.end('{"reviews":[]}');
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
}

/** One signal for all calls, as a server has one for its shutdown. */
const { signal } = new AbortController();

/** Kinds of calls, with how many of a thousand are of it; the rest are plain requests. */
const kinds: readonly [number, (mesh: Mesh) => Promise<unknown>][] = [
  [100, async (mesh) => (await mesh.fetch(`${url}/`)).json()],
  [50, async (mesh) => (await request(`${url}/`, { dispatcher: mesh.dispatcher })).body.text()],
  [50, async (mesh) => (await mesh.request(`${url}/`, { signal })).body.json()],
  [
    50,
    async (mesh) =>
      (await mesh.request(`${url}/`, { method: 'POST', body: 'x', mesh: { timeoutMs: 5_000 } })).body.text(),
  ],
  [
    20,
    async (mesh) =>
      (
        await mesh.fetch(`${url}/`, { method: 'PUT', body: new Blob(['x']).stream(), duplex: 'half' } as RequestInit)
      ).text(),
  ],
  [10, async (mesh) => (await mesh.request(`${url}/503`)).body.dump()],
  [5, (mesh) => mesh.request(`${url}/reset`, { method: 'POST' })],
  [5, (mesh) => mesh.fetch('http://unknown/')],
  [2, (mesh) => mesh.request(`${url}/silent`, { mesh: { timeoutMs: 2 } })],
  [2, (mesh) => mesh.fetch(`${url}/silent`, { signal: AbortSignal.timeout(2) })],
  [2, async (mesh) => (await mesh.request(`${url}/`)).body.destroy()],
];

const plan = kinds.flatMap(([share, kind]) => Array<(typeof kinds)[number][1]>(share).fill(kind));
const plain = async (mesh: Mesh) => (await mesh.request(`${url}/`)).body.text();

async function run(mesh: Mesh, from: number, to: number): Promise<void> {
  let next = from;
  const lane = async () => {
    while (next < to) {
      // Strides through the plan, so that the kinds are mixed.
      const kind = plan[(next++ * 487) % 1_000] ?? plain;
      await kind(mesh).catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

async function heapUsed(): Promise<number> {
  for (let round = 0; round < 5; round++) {
    await turn();
    (globalThis as { gc?: () => void }).gc?.();
  }
  return process.memoryUsage().heapUsed;
}

async function measure(server: ChildProcess): Promise<void> {
  const calls = Number(process.env.MEMORY_CALLS ?? 1_000_000);
  const port = await new Promise<number>((resolve) => server.once('message', resolve as (message: unknown) => void));
  const endpoints = [{ address: `127.0.0.1:${port}` }, { address: `localhost:${port}` }];
  const mesh = await createMesh({ service: 'memory', registry: { services: [{ host: 'reviews', endpoints }] } });
  await run(mesh, 0, calls / 10);
  const earlyBytes = await heapUsed();
  await run(mesh, calls / 10, calls);
  const lateBytes = await heapUsed();
  await mesh.close();
  server.disconnect();
  process.stdout.write(`${JSON.stringify({ calls, earlyBytes, lateBytes })}\n`);
}

if (process.argv[2] === 'serve') serve();
else await measure(fork(import.meta.filename, ['serve'], { execArgv: ['--no-warnings'] }));
