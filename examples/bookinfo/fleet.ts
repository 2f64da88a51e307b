/**
 * Who starts and stops the processes of Bookinfo? The fleet: one for each endpoint of the document, each on a free port
 * that it tells when it listens. However the demo ends, none is left behind: they are killed by pid when it exits, and
 * exit by themselves when it is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { MeshFile, Placement } from './mesh-file.ts';
import type { Fault, Stats } from './serve.ts';

/** A process that runs. */
export interface Replica {
  readonly placement: Placement;
  readonly child: ChildProcess;
  readonly port: number;
}

const startTimeoutMs = 30_000;
const configurationTimeoutMs = 15_000;
const stopTimeoutMs = 3_000;

/** The processes of Bookinfo. */
export class Fleet {
  /** Rejects when a process ends that nobody has stopped. */
  readonly crashed: Promise<never>;
  private readonly file: MeshFile;
  private readonly replicas = new Map<string, Replica>();
  private readonly children = new Set<ChildProcess>();
  private readonly stopped = new WeakSet<ChildProcess>();
  /** Of the document that all processes had last. */
  private version: string | undefined;
  private crash!: (error: Error) => void;

  constructor(file: MeshFile) {
    this.file = file;
    this.crashed = new Promise<never>((_, reject) => {
      this.crash = reject;
    });
    // It is looked at by whoever waits for something of the fleet.
    this.crashed.catch(() => {});
    process.once('exit', () => {
      for (const child of this.children) child.kill('SIGKILL');
    });
  }

  /** Starts all processes at the same time, and waits until each knows the ports of all. */
  async start(): Promise<void> {
    await Promise.all(this.file.placements.map((placement) => this.launch(placement)));
    // With the ports of the repository's document; it is told from the next one by its version.
    await this.settled();
    await this.writePorts();
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

  /** Starts a process anew, on another port, and waits until all know. */
  async restart(replica: string): Promise<number | undefined> {
    const placement = this.file.placements.find((one) => one.replica === replica);
    if (placement === undefined) throw new Error(`there is no ${replica}`);
    await this.launch(placement);
    await this.writePorts();
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

  /** Waits until all processes have the document as it is now. */
  async settled(): Promise<void> {
    const giveUpAt = performance.now() + configurationTimeoutMs;
    while (performance.now() < giveUpAt) {
      const all = [...(await this.stats()).values()];
      const problems = all.flatMap((stats) => stats.problems);
      if (problems.length > 0) throw new Error(`the document is refused:\n${problems.join('\n')}`);
      const versions = new Set(all.map(({ version }) => version));
      const [version] = versions;
      if (versions.size === 1 && version !== this.version) {
        this.version = version;
        return;
      }
      await sleep(50);
    }
    throw new Error(`not every process has the new document after ${configurationTimeoutMs} ms`);
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

  private async writePorts(): Promise<void> {
    this.file.setPorts(this.all().map(({ placement, port }) => [placement, port] as const));
    await this.settled();
  }

  private async launch(placement: Placement): Promise<void> {
    const { service, replica, version } = placement;
    const child = spawn(process.execPath, [fileURLToPath(new URL(`${service}.ts`, import.meta.url))], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, MESH: `file:${this.file.path}`, REPLICA: replica, PORT: '0', VERSION: version ?? 'v1' },
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

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
