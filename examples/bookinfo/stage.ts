/**
 * What can a scene do? What an operator can, and what goes wrong by itself: edit the document, kill a process, start it
 * again, make it slow or broken. And what is counted meanwhile?
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet, Replica } from './fleet.ts';
import type { MeshFile, Weights } from './mesh-file.ts';
import type { Fault, Stats } from './serve.ts';

/** What the processes counted. */
export interface Counts {
  /** Retries in all processes. */
  readonly retries: number;
  /** How many requests each process got since the mark. */
  readonly requests: ReadonlyMap<string, number>;
}

type Snapshot = ReadonlyMap<Replica, Stats>;

/** The hands of a scene. */
export class Stage {
  /** Shares are measured from here: when the last edit or fault was in force; of `performance.now()`. */
  markedAt = 0;
  private readonly fleet: Fleet;
  private readonly file: MeshFile;
  private readonly tell: (line: string) => void;
  private readonly opened: Snapshot;
  private marked: Snapshot;

  private constructor(fleet: Fleet, file: MeshFile, tell: (line: string) => void, opened: Snapshot) {
    this.fleet = fleet;
    this.file = file;
    this.tell = tell;
    this.opened = opened;
    this.marked = opened;
  }

  /** @param tell is told what happens. */
  static async open(fleet: Fleet, file: MeshFile, tell: (line: string) => void): Promise<Stage> {
    return new Stage(fleet, file, tell, await fleet.stats());
  }

  /** Shares the calls of everyone among versions of `reviews`. */
  async shift(weights: Weights): Promise<void> {
    this.file.setWeights(weights);
    await this.fleet.settled();
    await this.mark();
    const shares = Object.entries(weights).map(([version, weight]) => `${version} ${weight}`);
    this.tell(`the document now says ${shares.join(', ')}`);
  }

  /** Sends one user to one version of `reviews`. */
  async routeUser(user: string, version: string): Promise<void> {
    this.file.addUserRoute(user, version);
    await this.fleet.settled();
    await this.mark();
    this.tell(`the document now sends ${user} to ${version}`);
  }

  async kill(replica: string): Promise<void> {
    const pid = await this.fleet.kill(replica);
    this.tell(`${replica} (pid ${pid}) is killed`);
  }

  async restart(replica: string): Promise<void> {
    const pid = await this.fleet.restart(replica);
    this.tell(`${replica} is back (pid ${pid})`);
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
    return { retries, requests };
  }

  private async mark(): Promise<void> {
    this.marked = await this.fleet.stats();
    this.markedAt = performance.now();
  }
}
