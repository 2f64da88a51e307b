/**
 * What can a scene do? What an operator can, and what goes wrong by itself: edit the document, kill a process, start it
 * again, make it slow or broken, kill the registry. And what is counted meanwhile?
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet, Replica } from './fleet.ts';
import type { MeshFile, Weights } from './mesh-file.ts';
import type { RegistryServer } from './registry-server.ts';
import type { Fault, Stats } from './serve.ts';

/** What was counted. */
export interface Counts {
  /** Retries in all processes. */
  readonly retries: number;
  /** How many requests each process got since the mark. */
  readonly requests: ReadonlyMap<string, number>;
  /** From the death of a process until no other knew its address any more, in ms; NaN when none died. */
  readonly forgottenAfterMs: number;
  /** From the first answer of a registry that was killed until it named every process, in ms; NaN when it was not. */
  readonly namedAfterMs: number;
}

/** What a stage is built on. */
export interface StageParts {
  readonly fleet: Fleet;
  readonly file: MeshFile;
  /** The shared registry; undefined for the file. */
  readonly server: RegistryServer | undefined;
  /** Is told what happens. */
  readonly tell: (line: string) => void;
}

type Snapshot = ReadonlyMap<Replica, Stats>;

/** The hands of a scene. */
export class Stage {
  /** Shares are measured from here: when the last edit or fault was in force; of `performance.now()`. */
  markedAt = 0;
  private readonly fleet: Fleet;
  private readonly file: MeshFile;
  private readonly server: RegistryServer | undefined;
  private readonly tell: (line: string) => void;
  private readonly opened: Snapshot;
  private marked: Snapshot;
  private killedAt = Number.NaN;
  private forgottenAfterMs = Number.NaN;
  private namedAfterMs = Number.NaN;

  private constructor({ fleet, file, server, tell }: StageParts, opened: Snapshot) {
    this.fleet = fleet;
    this.file = file;
    this.server = server;
    this.tell = tell;
    this.opened = opened;
    this.marked = opened;
  }

  static async open(parts: StageParts): Promise<Stage> {
    return new Stage(parts, await parts.fleet.stats());
  }

  /** Shares the calls of everyone among versions of `reviews`. */
  async shift(weights: Weights): Promise<void> {
    this.file.setWeights(weights);
    await this.fleet.publish();
    await this.mark();
    const shares = Object.entries(weights).map(([version, weight]) => `${version} ${weight}`);
    this.tell(`the document now says ${shares.join(', ')}`);
  }

  /** Sends one user to one version of `reviews`. */
  async routeUser(user: string, version: string): Promise<void> {
    this.file.addUserRoute(user, version);
    await this.fleet.publish();
    await this.mark();
    this.tell(`the document now sends ${user} to ${version}`);
  }

  async kill(replica: string): Promise<void> {
    const pid = await this.fleet.kill(replica);
    this.killedAt = performance.now();
    this.tell(`${replica} (pid ${pid}) is killed`);
  }

  async restart(replica: string): Promise<void> {
    const pid = await this.fleet.restart(replica);
    this.tell(`${replica} is back (pid ${pid})`);
  }

  /** Waits until nobody knows the address of the process that was killed. */
  async forgotten(): Promise<void> {
    await this.fleet.forgotten();
    this.forgottenAfterMs = performance.now() - this.killedAt;
    this.tell('nobody knows its old address any more');
  }

  /** Makes replicas slow or broken. */
  async disturb(replicas: readonly string[], fault: Fault): Promise<void> {
    await Promise.all(replicas.map((replica) => this.fleet.setFault(replica, fault)));
    await this.mark();
    const how = fault.delayMs === undefined ? `status ${fault.status} at once` : `${fault.delayMs} ms slower`;
    this.tell(`${replicas.join(', ')}: ${how}`);
  }

  /** Makes them well again. */
  async heal(replicas: readonly string[]): Promise<void> {
    await Promise.all(replicas.map((replica) => this.fleet.setFault(replica, {})));
  }

  /**
   * Kills the shared registry, and starts it again. It may have lost everything: the document is published again, as the
   * pipeline of an operator would; the processes register again by themselves.
   */
  async killRegistry(seconds: number): Promise<void> {
    const { server, fleet } = this;
    if (server === undefined) throw new Error('there is no server of a registry');
    await server.kill();
    this.tell(`the registry is killed, for ${seconds} s`);
    await this.wait(seconds);
    await server.start();
    const backAt = performance.now();
    this.tell('the registry is back');
    await fleet.publish();
    await fleet.registered();
    this.namedAfterMs = performance.now() - backAt;
    this.tell('the document is published again, and every process has registered again');
  }

  async wait(seconds: number): Promise<void> {
    await sleep(seconds * 1000);
  }

  /** What was counted up to now. A process that was killed takes its counts with it. */
  async counts(): Promise<Counts> {
    const now = await this.fleet.stats();
    let retries = 0;
    const requests = new Map<string, number>();
    for (const [replica, stats] of now) {
      retries += stats.retries - (this.opened.get(replica)?.retries ?? 0);
      requests.set(replica.placement.replica, stats.requests - (this.marked.get(replica)?.requests ?? 0));
    }
    const { forgottenAfterMs, namedAfterMs } = this;
    return { retries, requests, forgottenAfterMs, namedAfterMs };
  }

  private async mark(): Promise<void> {
    this.marked = await this.fleet.stats();
    this.markedAt = performance.now();
  }
}
