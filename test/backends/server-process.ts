/**
 * How does a test run a real server? As a process on loopback with free ports, in a folder of its own, stopped by pid;
 * killed and started again on the same ports and folder where a test is about that.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const unpacked = fileURLToPath(new URL('../../.backends/', import.meta.url));
const startTimeoutMs = 20_000;

/** The path of a server's program: what `scripts/backends.sh` unpacked, or what the machine has; undefined without. */
export function findServer(name: string): string | undefined {
  const folders = [join(unpacked, 'usr/bin'), join(unpacked, 'usr/sbin'), ...(process.env.PATH ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/**
 * Whether tests that need the server `name` run. Where it is missing they are skipped, which one line says; with
 * `INMESH_BACKENDS=required`, as in CI, they fail.
 */
export function hasServer(name: string): boolean {
  if (findServer(name) !== undefined) return true;
  if (process.env.INMESH_BACKENDS === 'required') throw new Error(`${name} is missing: run scripts/backends.sh`);
  process.stderr.write(`skipped: ${name} is not on this machine; scripts/backends.sh brings it\n`);
  return false;
}

/** What a server process is started with. */
export interface ServerProcessOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Resolves to whether it answers. */
  readonly isReady: () => Promise<boolean>;
}

/** A real server that runs. */
export class ServerProcess {
  private readonly options: ServerProcessOptions;
  private child: ChildProcess | undefined;
  private output = '';
  private readonly onExit = () => this.child?.kill('SIGKILL');

  constructor(options: ServerProcessOptions) {
    this.options = options;
    process.once('exit', this.onExit);
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Starts it, and waits until it answers. */
  async start(): Promise<void> {
    await this.spawn();
    await this.ready();
  }

  /** Starts it, and does not wait; a member of a cluster answers only when the others do. */
  async spawn(): Promise<void> {
    const { name, args, env } = this.options;
    const program = findServer(name);
    if (program === undefined) throw new Error(`${name} is missing: run scripts/backends.sh`);
    this.output = '';
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        this.output = (this.output + chunk).slice(-4_000);
      });
    }
    await once(child, 'spawn');
  }

  /** Waits until it answers. */
  async ready(): Promise<void> {
    const giveUpAt = performance.now() + startTimeoutMs;
    while (!(await this.options.isReady().catch(() => false))) {
      const dead = this.child?.exitCode !== null;
      if (dead || performance.now() > giveUpAt) {
        await this.kill();
        throw new Error(`${this.options.name} does not answer:\n${this.output}`);
      }
      await sleep(20);
    }
  }

  /** Kills it as a crash would. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await exited;
  }

  /** Stops its work without closing a connection, as a machine does that hangs. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  /** Goes on. */
  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** Kills it for good. */
  async dispose(): Promise<void> {
    process.off('exit', this.onExit);
    await this.kill();
  }
}

/** A folder that is deleted by what is returned beside it. */
export function temporaryFolder(name: string): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `inmesh-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Ports that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(
    servers.map(async (server) => {
      server.close();
      await once(server, 'close');
    }),
  );
  return ports;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
