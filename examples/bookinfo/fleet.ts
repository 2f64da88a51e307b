/**
 * Who starts and stops the processes of Bookinfo? The fleet: one for each endpoint of the document, each on a free port
 * that it tells when it can be called. Each learns where the others are from the document, which the fleet keeps up to
 * date, or from a shared registry, where they register themselves. However the demo ends, none is left behind: they are
 * killed by pid when it exits, and exit by themselves when it is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createMesh } from 'inmesh';
import type { MeshFile, Placement } from './mesh-file.ts';
import { publishDocument } from './publish-document.ts';
import { type Fault, knownAddresses, type Stats } from './serve.ts';

/** A process that runs. */
export interface Replica {
  readonly placement: Placement;
  readonly child: ChildProcess;
  readonly port: number;
}

const startTimeoutMs = 30_000;
/** Longer than a registry remembers who is gone. */
const conditionTimeoutMs = 25_000;
const pollMs = 50;
/** For what takes many seconds: to ask is work for the processes. */
const slowPollMs = 250;
const stopTimeoutMs = 3_000;

/** The processes of Bookinfo. */
export class Fleet {
  /** Rejects when a process ends that nobody has stopped. */
  readonly crashed: Promise<never>;
  private readonly file: MeshFile;
  /** The address of the shared registry; undefined for the file. */
  private readonly registry: string | undefined;
  private readonly replicas = new Map<string, Replica>();
  private readonly children = new Set<ChildProcess>();
  private readonly stopped = new WeakSet<ChildProcess>();
  /** Of the document that all processes had last. */
  private version: string | undefined;
  private crash!: (error: Error) => void;

  constructor(file: MeshFile, registry: string | undefined) {
    this.file = file;
    this.registry = registry;
    this.crashed = new Promise<never>((_, reject) => {
      this.crash = reject;
    });
    // It is looked at by whoever waits for something of the fleet.
    this.crashed.catch(() => {});
    process.once('exit', () => {
      for (const child of this.children) child.kill('SIGKILL');
    });
  }

  /** Starts all processes at the same time, and waits until each knows where all are. */
  async start(): Promise<void> {
    if (this.registry !== undefined) {
      this.file.removeEndpoints();
      this.version = await publishDocument(this.registry, this.file.path);
    }
    await Promise.all(this.file.placements.map((placement) => this.launch(placement)));
    await this.tellPorts();
  }

  /** Everything that runs. */
  all(): readonly Replica[] {
    return this.file.placements.flatMap(({ replica }) => this.replicas.get(replica) ?? []);
  }

  /** The address of `path` at a process. */
  url(replica: string, path: string): string {
    return `http://127.0.0.1:${this.get(replica).port}${path}`;
  }

  /** Kills a process as a crash would: what it has in hand is lost. */
  async kill(replica: string): Promise<number | undefined> {
    const { child } = this.get(replica);
    this.replicas.delete(replica);
    this.stopped.add(child);
    child.kill('SIGKILL');
    await exited(child);
    return child.pid;
  }

  /** Starts a process anew, on another port, and waits until all know where. */
  async restart(replica: string): Promise<number | undefined> {
    const placement = this.file.placements.find((one) => one.replica === replica);
    if (placement === undefined) throw new Error(`there is no ${replica}`);
    await this.launch(placement);
    await this.tellPorts();
    return this.get(replica).child.pid;
  }

  /** Makes a process slow or broken; with an empty fault it is well again. */
  async setFault(replica: string, fault: Fault): Promise<void> {
    const query = Object.entries(fault).map(([name, value]) => `${name}=${value}`);
    const response = await fetch(this.url(replica, `/fault?${query.join('&')}`), { method: 'POST' });
    await response.text();
  }

  /** What each process says of itself. */
  async stats(): Promise<Map<Replica, Stats>> {
    const entries = this.all().map(async (replica) => {
      const response = await fetch(this.url(replica.placement.replica, '/stats'));
      return [replica, (await response.json()) as Stats] as const;
    });
    return new Map(await Promise.all(entries));
  }

  /** Puts the document as it is now in force, and waits until all processes have it. */
  async publish(): Promise<void> {
    if (this.registry === undefined) return this.settled(undefined);
    await this.settled(await publishDocument(this.registry, this.file.path));
  }

  /** Waits until the shared registry names all processes. */
  async registered(): Promise<void> {
    // One that begins now knows what is there now, and nothing of before.
    const mesh = await createMesh({ service: 'demo', registry: this.registry as string });
    try {
      await until('the registry names every process', () => this.areAllAmong(knownAddresses(mesh)));
    } finally {
      await mesh.close();
    }
  }

  /** Waits until no process knows an address any more that nobody is at. */
  async forgotten(): Promise<void> {
    const isForgotten = async () => {
      const known = [...(await this.stats()).values()].flatMap(({ addresses }) => addresses);
      const taken = new Set(this.all().map(addressOf));
      return known.every((address) => taken.has(address));
    };
    await until('nobody knows an address of nobody', isForgotten, slowPollMs);
  }

  /** Lets all processes finish what they have, and end. */
  async stop(): Promise<void> {
    const children = [...this.children];
    for (const child of children) {
      this.stopped.add(child);
      child.kill('SIGTERM');
    }
    const ended = Promise.all(children.map(exited));
    const late = new AbortController();
    await Promise.race([ended, sleep(stopTimeoutMs, undefined, { signal: late.signal }).catch(() => {})]);
    late.abort();
    for (const child of this.children) child.kill('SIGKILL');
    await ended;
  }

  private get(replica: string): Replica {
    const found = this.replicas.get(replica);
    if (found === undefined) throw new Error(`${replica} does not run`);
    return found;
  }

  private async tellPorts(): Promise<void> {
    // They have told the registry themselves.
    if (this.registry !== undefined) return this.settled(this.version);
    this.file.setPorts(this.all().map(({ placement, port }) => [placement, port] as const));
    await this.settled(undefined);
  }

  /**
   * Waits until all processes have the same document, and know where all are.
   *
   * @param version of the document; undefined for any but the last one.
   */
  private async settled(version: string | undefined): Promise<void> {
    await until('every process has the document', async () => {
      const all = [...(await this.stats()).values()];
      const problems = all.flatMap((stats) => stats.problems);
      if (problems.length > 0) throw new Error(`the document is refused:\n${problems.join('\n')}`);
      const [first, ...others] = new Set(all.map((stats) => stats.version));
      const isDue = version === undefined ? first !== this.version : first === version;
      if (others.length > 0 || !isDue || !all.every(({ addresses }) => this.areAllAmong(addresses))) return false;
      this.version = first;
      return true;
    });
  }

  private areAllAmong(addresses: readonly string[]): boolean {
    return this.all().every((replica) => addresses.includes(addressOf(replica)));
  }

  private async launch(placement: Placement): Promise<void> {
    const { service, replica, version } = placement;
    const registry = this.registry ?? `file:${this.file.path}`;
    const child = spawn(process.execPath, [fileURLToPath(new URL(`${service}.ts`, import.meta.url))], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, MESH: registry, REPLICA: replica, PORT: '0', VERSION: version ?? 'v1' },
    });
    this.children.add(child);
    child.once('exit', (code, signal) => {
      this.children.delete(child);
      if (!this.stopped.has(child))
        this.crash(new Error(`${replica} ended by itself: ${signal ?? `exit code ${code}`}`));
    });
    const listening = once(child, 'message', { signal: AbortSignal.timeout(startTimeoutMs) });
    const [{ port }] = (await Promise.race([listening, this.crashed])) as [{ port: number }];
    this.replicas.set(replica, { placement, child, port });
  }
}

function addressOf({ port }: Replica): string {
  return `127.0.0.1:${port}`;
}

async function until(what: string, holds: () => boolean | Promise<boolean>, everyMs = pollMs): Promise<void> {
  const giveUpAt = performance.now() + conditionTimeoutMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`waited ${conditionTimeoutMs} ms in vain: ${what}`);
    await sleep(everyMs);
  }
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
