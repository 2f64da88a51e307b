/**
 * How long is too long? A quantile of the latencies of the last half minute, in three windows of ten seconds (Finagle,
 * `client/BackupRequestFilter.scala`). Latencies are counted in buckets, eight to each doubling: exact enough for a delay,
 * and one addition an attempt.
 */

const windowMs = 10_000;
const windowCount = 3;
/** The quantile is looked up this often, in ms. */
const refreshMs = 3_000;
/** So many attempts at least, and enough that one is expected above the quantile, or it is not known. */
const minSamples = 10;
/** A shorter delay would hedge what is on its way. */
const minDelayMs = 1;

const bucketsPerOctave = 8;
const leastMs = 0.125;
const bucketCount = 22 * bucketsPerOctave;

interface Window {
  startedAt: number;
  count: number;
  readonly buckets: Uint32Array;
}

/** The delay after which an attempt is hedged. */
export class HedgeDelay {
  private readonly quantile: number;
  private readonly samples: number;
  private readonly windows: Window[] = [];
  private delayMs: number | undefined = undefined;
  private lookedUpAt = Number.NEGATIVE_INFINITY;

  /** @param maxExtraLoadPercent see {@link import('./hedge-options.ts').HedgeOptions}. */
  constructor(maxExtraLoadPercent: number) {
    this.quantile = 1 - maxExtraLoadPercent / 100;
    this.samples = Math.max(minSamples, Math.ceil(100 / maxExtraLoadPercent));
  }

  /** An attempt had its head after `latencyMs`, or was given up then. */
  record(now: number, latencyMs: number): void {
    const window = this.windowAt(now);
    const bucket = bucketOf(latencyMs);
    window.buckets[bucket] = (window.buckets[bucket] as number) + 1;
    window.count++;
  }

  /** In ms; undefined while too few attempts are known. */
  at(now: number): number | undefined {
    if (this.delayMs === undefined || now - this.lookedUpAt >= refreshMs) {
      this.lookedUpAt = now;
      this.delayMs = this.lookUp(now);
    }
    return this.delayMs;
  }

  private lookUp(now: number): number | undefined {
    const recent = this.windows.filter(({ startedAt }) => now - startedAt < windowMs * windowCount);
    const total = recent.reduce((sum, { count }) => sum + count, 0);
    if (total < this.samples) return undefined;
    let left = total * this.quantile;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      for (const { buckets } of recent) left -= buckets[bucket] as number;
      if (left <= 0) return Math.max(minDelayMs, upperMs(bucket));
    }
    return upperMs(bucketCount - 1);
  }

  private windowAt(now: number): Window {
    const current = this.windows[0];
    if (current !== undefined && now - current.startedAt < windowMs) return current;
    const oldest = this.windows.length < windowCount ? undefined : this.windows.pop();
    const buckets = oldest?.buckets.fill(0) ?? new Uint32Array(bucketCount);
    const window = { startedAt: now, count: 0, buckets };
    this.windows.unshift(window);
    return window;
  }
}

function bucketOf(latencyMs: number): number {
  if (latencyMs <= leastMs) return 0;
  return Math.min(bucketCount - 1, Math.ceil(Math.log2(latencyMs / leastMs) * bucketsPerOctave));
}

function upperMs(bucket: number): number {
  return leastMs * 2 ** (bucket / bucketsPerOctave);
}
