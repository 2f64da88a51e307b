/**
 * How much of a latency is waiting? What it is above the shortest that was seen: of L calls at once then L·(1 − shortest ÷
 * latency) wait (TCP Vegas, Brakmo and Peterson 1995; Netflix, concurrency-limits, `VegasLimit`). Few that wait keep the
 * service busy; more are of no use to anybody.
 *
 * The shortest latency is forgotten now and then, or a service that got slower for good would be starved.
 */
import type { Random } from '../../core/random.ts';
import type { AdaptiveLimit, AdaptiveLimitOptions } from './adaptive-limit.ts';
import type { WindowSample } from './sample-window.ts';

/** In units of log10 of the limit: below so many that wait the limit grows, above it shrinks. */
const fewWaiting = 3;
const manyWaiting = 6;

/** The shortest latency is measured anew after so many windows at most. */
const probeEvery = 600;

/** A limit after TCP Vegas. */
export class Vegas implements AdaptiveLimit {
  limit: number;
  private readonly options: AdaptiveLimitOptions;
  private readonly random: Random;
  private shortestMs = Number.POSITIVE_INFINITY;
  private samplesToProbe: number;

  constructor(options: AdaptiveLimitOptions, random: Random) {
    this.options = options;
    this.random = random;
    this.limit = options.initialLimit;
    this.samplesToProbe = this.probeAfter();
  }

  sample({ latencyMs, inFlight, dropped }: WindowSample): void {
    const { limit } = this;
    const step = Math.max(1, Math.log10(limit));
    if (dropped) {
      this.set(limit - step);
      return;
    }
    if (--this.samplesToProbe <= 0) {
      this.samplesToProbe = this.probeAfter();
      this.shortestMs = latencyMs;
    }
    this.shortestMs = Math.min(this.shortestMs, latencyMs);
    // Who uses half of it learns nothing about the other half.
    if (inFlight * 2 < limit) return;
    const waiting = latencyMs <= 0 ? 0 : limit * (1 - this.shortestMs / latencyMs);
    if (waiting <= step) this.set(limit + manyWaiting * step);
    else if (waiting < fewWaiting * step) this.set(limit + step);
    else if (waiting > manyWaiting * step) this.set(limit - step);
  }

  private set(limit: number): void {
    const { minLimit, maxLimit } = this.options;
    this.limit = Math.min(maxLimit, Math.max(minLimit, limit));
  }

  /** At random, so that the processes of a fleet do not probe at one instant. */
  private probeAfter(): number {
    return probeEvery * (0.5 + 0.5 * this.random.next());
  }
}
