/**
 * Is the service slower than it was? The limit follows the ratio of the latency of the last minutes to that of now, with
 * some room to grow (Netflix, concurrency-limits, `Gradient2Limit`). It needs no shortest latency, and so suits services
 * whose calls differ much; under an overload that lasts for minutes it takes the overload for normal.
 */
import type { AdaptiveLimit, AdaptiveLimitOptions } from './adaptive-limit.ts';
import type { WindowSample } from './sample-window.ts';

/** A latency up to this times the long one is taken for normal. */
const tolerance = 1.5;
/** The most that one sample lets the limit shrink to. */
const leastGradient = 0.5;
/** Calls that may wait: what lets the limit grow. */
const headroom = 4;
/** The share of a sample in the limit. */
const smoothing = 0.2;
/** Windows in the long latency: a minute of them at least. */
const longWindow = 600;
/** A long latency above this times the short one is stale: the service has recovered. */
const staleRatio = 2;
const staleDecay = 0.95;

/** A limit by the gradient of latency. */
export class Gradient2 implements AdaptiveLimit {
  limit: number;
  private readonly options: AdaptiveLimitOptions;
  private longMs = 0;
  private samples = 0;

  constructor(options: AdaptiveLimitOptions) {
    this.options = options;
    this.limit = options.initialLimit;
  }

  sample({ latencyMs, inFlight, dropped }: WindowSample): void {
    if (dropped) {
      this.move(leastGradient);
      return;
    }
    this.samples = Math.min(longWindow, this.samples + 1);
    // A plain mean until the window is full.
    this.longMs += (latencyMs - this.longMs) / this.samples;
    if (this.longMs > staleRatio * latencyMs) this.longMs *= staleDecay;
    // Who uses half of it learns nothing about the other half.
    if (inFlight * 2 < this.limit) return;
    const gradient = latencyMs <= 0 ? 1 : (tolerance * this.longMs) / latencyMs;
    this.move(Math.min(1, Math.max(leastGradient, gradient)));
  }

  private move(gradient: number): void {
    const { minLimit, maxLimit } = this.options;
    const wanted = this.limit * gradient + (gradient === leastGradient ? 0 : headroom);
    this.limit = Math.min(maxLimit, Math.max(minLimit, this.limit + smoothing * (wanted - this.limit)));
  }
}
