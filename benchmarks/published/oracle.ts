/**
 * How well could anybody balance? An oracle sees every queue, and knows how long each server takes on average at that
 * instant, and which ones fail: it sends a call to where the end is expected first. No client can know as much.
 */
import type { Clock } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { FakeServer } from '../../src/testing/fake-server.ts';
import { VirtualClock } from '../../src/testing/index.ts';
import type { Experiment } from './experiments.ts';
import { measure, type Outcomes, type Sample } from './outcomes.ts';

/** What a server takes on average is drawn so many times, for each second. */
const draws = 200;

class Known {
  readonly server: FakeServer;
  /** Requests that it has got. */
  received = 0;
  /** Requests that it works on or that wait. */
  private open = 0;
  private readonly clock: Clock;
  private second = -1;
  private meanMs = 0;

  constructor(server: FakeServer, clock: Clock) {
    this.server = server;
    this.clock = clock;
  }

  expectedMs(): number {
    if ((this.server.profile.status ?? 200) !== 200) return Number.POSITIVE_INFINITY;
    const second = Math.floor(this.clock.now() / 1_000);
    if (second !== this.second) {
      this.second = second;
      this.meanMs = 0;
      for (let draw = 0; draw < draws; draw++)
        this.meanMs += this.server.draw(this.server.profile.latency ?? 5) / draws;
    }
    const workers = this.server.profile.capacity?.concurrency ?? Number.POSITIVE_INFINITY;
    return this.meanMs * (1 + Math.max(0, this.open - workers + 1) / workers);
  }

  /** The status of its answer. */
  ask(): Promise<number> {
    this.received++;
    return new Promise((resolve) => {
      this.open++;
      const end = (status: number) => {
        this.open--;
        leave?.();
        resolve(status);
      };
      const leave = this.server.admit(() => {
        const { latency = 5, status = 200 } = this.server.profile;
        this.clock.setTimer(() => end(status), this.server.draw(latency));
      });
      if (leave === undefined) end(503);
    });
  }
}

/** Runs an experiment once. */
export async function oracle(experiment: Experiment, seed: number): Promise<Outcomes> {
  const { endpoints, callsPerSecond, durationMs } = experiment;
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const servers = endpoints.map((profile) => new Known(new FakeServer(profile, clock, random), clock));
  const samples: Sample[] = [];
  const pending: Promise<void>[] = [];
  const call = async (dueAt: number) => {
    const costs = servers.map((server) => server.expectedMs());
    const status = await servers[costs.indexOf(Math.min(...costs))]?.ask();
    samples.push({ dueAt, latencyMs: clock.now() - dueAt, status });
  };
  for (let at = 0; at < durationMs; ) {
    pending.push(call(at));
    at += 1_000 / (typeof callsPerSecond === 'number' ? callsPerSecond : callsPerSecond(at));
    await clock.advance(at - clock.now());
  }
  await clock.advance(60_000);
  await Promise.all(pending);
  return measure(
    experiment,
    samples,
    servers.map(({ received }) => received),
  );
}
