/**
 * What does an outage of the registry do to calls? This scenario plays one: a service of six replicas under load, its
 * registry is killed, replicas go and come meanwhile (one stays), another process starts, and the registry comes back.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMesh, type Mesh } from '../../src/index.ts';
import { temporaryFolder } from './server-process.ts';

/** A registry that can be killed. */
export interface OutageBackend {
  /** The option `registry`. */
  readonly registry: string;
  /** Kills its servers. */
  kill(): Promise<void>;
  /** Starts them again, and waits until they answer. */
  start(): Promise<void>;
  /** The addresses of `reviews` that it holds now. */
  names(): Promise<readonly string[]>;
}

/** What the scenario saw. */
export interface OutageFigures {
  readonly calls: number;
  /** Calls that ended with an error or another status than 200. */
  readonly failed: readonly string[];
  /** Whether the process that started during the outage got its answers. */
  readonly lateStatus: number;
  /** From the first answer of the registry until the mesh knew what it holds, all replicas that are alive among it, in ms. */
  readonly convergedMs: number;
}

/** The registry is down for this long: a minute in CI. */
export const outageMs = Number(process.env.OUTAGE_MS ?? 4_000);
/** Of a test that plays an outage. */
export const timeoutMs = outageMs + 60_000;

const replicas = 6;
const callsPerSecond = 500;
const callEveryMs = 10;
const convergeTimeoutMs = 10_000;

/** A replica: a server that can be stopped as a crash does it, and the mesh that registers it. */
class Replica {
  private server: Server | undefined;
  private mesh: Mesh | undefined;
  private port = 0;

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Listens, on the port it had before. */
  async listen(): Promise<void> {
    const server = createServer((_request, response) => response.end('well')).listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  async register(registry: string): Promise<void> {
    this.mesh = await createMesh({ service: 'reviews', registry });
    await this.mesh.register({ port: this.port, address: '127.0.0.1' });
  }

  /** Breaks its connections and listens no more. */
  crash(): void {
    this.server?.close();
    this.server?.closeAllConnections();
    this.server = undefined;
  }

  async dispose(): Promise<void> {
    this.crash();
    await this.mesh?.close();
  }
}

/** Calls a service at an even pace. */
class Load {
  calls = 0;
  readonly failed: string[] = [];
  private readonly pending = new Set<Promise<void>>();
  private readonly timer: NodeJS.Timeout;
  private readonly startedAt = performance.now();

  constructor(mesh: Mesh) {
    this.timer = setInterval(() => {
      const due = Math.floor(((performance.now() - this.startedAt) / 1_000) * callsPerSecond);
      while (this.calls < due) this.call(mesh);
    }, callEveryMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.pending);
  }

  private call(mesh: Mesh): void {
    this.calls++;
    const call = mesh
      .request('http://reviews/')
      .then(async ({ statusCode, body }) => {
        await body.text();
        if (statusCode !== 200) this.failed.push(`status ${statusCode}`);
      })
      .catch((error: Error) => void this.failed.push(error.message))
      .finally(() => this.pending.delete(call));
    this.pending.add(call);
  }
}

/**
 * Plays an outage.
 *
 * @param outageMs how long the registry is down.
 */
export async function playOutage(backend: OutageBackend, outageMs: number): Promise<OutageFigures> {
  const { registry } = backend;
  const folder = temporaryFolder('outage');
  const all = Array.from({ length: replicas }, () => new Replica());
  await Promise.all(all.map((replica) => replica.listen()));
  await Promise.all(all.map((replica) => replica.register(registry)));
  const snapshot = join(folder.path, 'snapshot');
  const mesh = await createMesh({ service: 'caller', registry, snapshot });
  try {
    await untilKnown(mesh, backend, all);
    const load = new Load(mesh);
    // Longer than a snapshot takes to be written.
    await sleep(2_500);
    await backend.kill();
    const lateStatus = callOnce(registry, snapshot);
    await comeAndGo(all, outageMs);
    const [gone, ...alive] = [...all].reverse();
    // As a process that crashes: it cannot deregister.
    await gone?.dispose();
    const late = new Replica();
    all.push(late);
    await late.listen();
    await backend.start();
    const backAt = performance.now();
    await late.register(registry);
    await untilKnown(mesh, backend, [...alive, late]);
    const convergedMs = performance.now() - backAt;
    await load.stop();
    return { calls: load.calls, failed: load.failed, lateStatus: await lateStatus, convergedMs };
  } finally {
    await mesh.close();
    await Promise.all(all.map((replica) => replica.dispose()));
    folder.remove();
  }
}

/** All but the first go, one after the other, and come back at their address. */
async function comeAndGo(all: readonly Replica[], durationMs: number): Promise<void> {
  const others = all.slice(1);
  const stepMs = durationMs / (others.length * 2);
  for (const replica of others) {
    replica.crash();
    await sleep(stepMs);
  }
  for (const replica of others) {
    await replica.listen();
    await sleep(stepMs);
  }
}

/** Another process would do the same: it starts with the registry down, and has nothing but the snapshot. */
async function callOnce(registry: string, snapshot: string): Promise<number> {
  const mesh = await createMesh({ service: 'caller', registry, snapshot, readyTimeoutMs: 1_500 });
  try {
    const { statusCode, body } = await mesh.request('http://reviews/');
    await body.text();
    return statusCode;
  } finally {
    await mesh.close();
  }
}

/** Waits until the mesh knows what the registry holds, and these replicas are among it. */
async function untilKnown(mesh: Mesh, { names }: OutageBackend, alive: readonly Replica[]): Promise<void> {
  const giveUpAt = performance.now() + convergeTimeoutMs;
  for (;;) {
    const { body } = await mesh.request('http://reviews/');
    await body.text();
    const endpoints = mesh.status().services.find(({ host }) => host === 'reviews')?.endpoints ?? [];
    const known = endpoints.map(({ address }) => address).sort();
    const held = [...(await names())].sort();
    if (known.join() === held.join() && alive.every(({ address }) => known.includes(address))) return;
    if (performance.now() > giveUpAt) throw new Error(`known are ${known}, the registry holds ${held}`);
    await sleep(5);
  }
}
