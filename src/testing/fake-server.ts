/**
 * What does an endpoint look like from its own side? A server with so many workers and a queue in front of them. It
 * outlives the connections to it: a mesh that renews its pools finds the same server, as busy as before.
 */
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { EndpointProfile, Fault } from './endpoint-profile.ts';
import { drawLatency, type Latency } from './latency.ts';

/** The state of one fake endpoint. */
export class FakeServer {
  readonly clock: Clock;
  profile: EndpointProfile;
  private readonly random: Random;
  private working = 0;
  private readonly queue: (() => void)[] = [];

  constructor(profile: EndpointProfile, clock: Clock, random: Random) {
    this.profile = profile;
    this.clock = clock;
    this.random = random;
  }

  /** What happens to the next request; `undefined` when all goes well. */
  drawFault(): Fault | undefined {
    const now = this.clock.now();
    return this.profile.faults?.find(
      ({ fromMs = 0, untilMs = Number.POSITIVE_INFINITY, probability = 1 }) =>
        now >= fromMs && now < untilMs && (probability >= 1 || this.random.next() < probability),
    );
  }

  draw(latency: Latency): number {
    return drawLatency(latency, this.random, this.clock.now());
  }

  /**
   * Starts `work` when a worker is free: at once, or later; never when the queue is full.
   *
   * @returns ends the work, or leaves the queue; to be called once. `undefined` when the queue is full.
   */
  admit(work: () => void): (() => void) | undefined {
    const { capacity } = this.profile;
    const free = capacity === undefined || this.working < capacity.concurrency;
    if (!free && this.queue.length >= (capacity.maxQueue ?? Number.POSITIVE_INFINITY)) return undefined;
    if (!free) this.queue.push(work);
    else {
      this.working++;
      work();
    }
    return () => {
      const waiting = this.queue.indexOf(work);
      if (waiting >= 0) this.queue.splice(waiting, 1);
      else this.finish();
    };
  }

  private finish(): void {
    this.working--;
    const concurrency = this.profile.capacity?.concurrency ?? Number.POSITIVE_INFINITY;
    while (this.working < concurrency) {
      const next = this.queue.shift();
      if (next === undefined) return;
      this.working++;
      next();
    }
  }
}
