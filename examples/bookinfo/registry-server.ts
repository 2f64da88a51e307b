/**
 * Where does a shared registry come from? The demo starts a real one on free ports of loopback: a Consul agent in
 * development mode, which forgets everything when it ends, or three members of etcd, which do not. However the demo
 * ends, none is left behind.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The registries that a server is known for. */
export const registryKinds = ['consul', 'etcd'] as const;

/** The name of the program, and the scheme of the address. */
export type RegistryKind = (typeof registryKinds)[number];

/** A process of a registry. */
interface Member {
  readonly args: readonly string[];
  /** Answers with a text that matches when it is ready. */
  readonly health: { readonly url: string; readonly matches: RegExp };
}

const unpacked = fileURLToPath(new URL('../../.backends/usr/bin', import.meta.url));
const startTimeoutMs = 20_000;
const etcdMembers = 3;

/**
 * Runs a program, and kills it by its pid when standard input ends: that is, when it is closed here, or when this process
 * is gone, whatever it died of. Signals of the terminal go to the whole group, and end everything but the guard.
 */
const guarded = `
  exec 3<&0
  "$@" </dev/null 3<&- & server=$!
  (trap '' HUP INT TERM; read -r _ <&3; kill -9 $server) & guard=$!
  wait $server
  kill -9 $guard`;

/** A registry that can be killed, and started again where it was. */
export class RegistryServer {
  /** For the option `registry`: `consul://127.0.0.1:8500`. */
  readonly address: string;
  /** The path of the program. */
  readonly program: string;
  private readonly folder: string;
  private readonly members: readonly Member[];
  private children: readonly ChildProcessByStdio<Writable, Readable, Readable>[] = [];
  /** The end of what they said. */
  private output = '';

  private constructor(program: string, kind: RegistryKind, ports: readonly number[]) {
    this.program = program;
    this.folder = mkdtempSync(join(tmpdir(), `bookinfo-${kind}-`));
    this.members = kind === 'consul' ? [consulAgent(ports)] : etcdCluster(ports, this.folder);
    const hosts = this.members.map(({ health }) => new URL(health.url).host);
    this.address = `${kind}://${hosts.join(',')}`;
    process.once('exit', this.letGo);
  }

  /** @throws Error when its program is not on this machine. */
  static async open(kind: RegistryKind): Promise<RegistryServer> {
    const program = findProgram(kind);
    if (program === undefined)
      throw new Error(`${kind} is not on this machine; scripts/backends.sh brings it (Debian)`);
    return new RegistryServer(program, kind, await freePorts(6));
  }

  /** Starts it, and waits until it answers. */
  async start(): Promise<void> {
    this.output = '';
    this.children = this.members.map(({ args }) => this.run(args));
    try {
      await Promise.all(this.members.map(({ health }) => this.ready(health)));
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Kills it as a crash would. */
  async kill(): Promise<void> {
    const { children } = this;
    this.children = [];
    for (const { stdin } of children) stdin.destroy();
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }),
    );
  }

  /** Kills it for good. */
  async dispose(): Promise<void> {
    process.off('exit', this.letGo);
    await this.kill();
    this.letGo();
  }

  private readonly letGo = () => {
    for (const { stdin } of this.children) stdin.destroy();
    // It may be writing there at this moment.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  };

  private run(args: readonly string[]) {
    const child = spawn('/bin/sh', ['-c', guarded, 'sh', this.program, ...args], { stdio: 'pipe' });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        this.output = (this.output + chunk).slice(-2_000);
      });
    }
    return child;
  }

  private async ready({ url, matches }: Member['health']): Promise<void> {
    const giveUpAt = performance.now() + startTimeoutMs;
    const answer = () => fetch(url).then((response) => response.text());
    while (!matches.test(await answer().catch(() => ''))) {
      if (this.children.some(({ exitCode }) => exitCode !== null) || performance.now() > giveUpAt) {
        throw new Error(`${this.program} does not answer:\n${this.output}`);
      }
      await sleep(50);
    }
  }
}

/** What `scripts/backends.sh` unpacked, or what the machine has. */
function findProgram(name: string): string | undefined {
  const folders = [unpacked, ...(process.env.PATH ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function consulAgent([http, grpc, dns, server, serfLan, serfWan]: readonly number[]): Member {
  const ports = { http, grpc, dns, server, 'serf-lan': serfLan, 'serf-wan': serfWan };
  return {
    args: [
      ...['agent', '-dev', '-node=bookinfo', '-bind=127.0.0.1', '-client=127.0.0.1'],
      ...Object.entries(ports).map(([name, port]) => `-${name}-port=${port}`),
      ...['-hcl', 'disable_update_check = true'],
    ],
    // The address of the leader, once there is one.
    health: { url: `http://127.0.0.1:${http}/v1/status/leader`, matches: /:\d+/ },
  };
}

function etcdCluster(ports: readonly number[], folder: string): Member[] {
  const clients = ports.slice(0, etcdMembers).map((port) => `http://127.0.0.1:${port}`);
  const peers = ports.slice(etcdMembers, 2 * etcdMembers).map((port) => `http://127.0.0.1:${port}`);
  const cluster = peers.map((peer, index) => `m${index}=${peer}`).join(',');
  return clients.map((client, index) => ({
    args: [
      `--name=m${index}`,
      `--data-dir=${join(folder, `m${index}`)}`,
      ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`],
      ...[`--listen-peer-urls=${peers[index]}`, `--initial-advertise-peer-urls=${peers[index]}`],
      `--initial-cluster=${cluster}`,
    ],
    health: { url: `${client}/health`, matches: /"health":\s*"true"/ },
  }));
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
