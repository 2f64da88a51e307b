/**
 * How soon is a slow member noticed? Within about a second: latency is looked at twice a second while there are attempts,
 * not once in an interval as rates are. Rates wait for volume; of latencies a few say enough, and each look that comes
 * later is a caller who waits. Two looks in a row have to agree, so that a pause ejects nobody.
 *
 * One member at most is ejected in an interval: its load goes to the others, and what that does to their latency has to
 * be seen first.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { type Latencies, latencyOutliers } from './latency-outlier.ts';
import type { LatencyOutlierOptions } from './outlier-options.ts';

/** The longest time between two looks, in ms. */
const lookMs = 500;

/** What a watch is connected to. */
export interface LatencyWatchContext<T> {
  readonly clock: Clock;
  readonly options: LatencyOutlierOptions;
  /** One ejection at most in this time, in ms. */
  readonly intervalMs: number;
  /** What is known now of those that may be ejected. */
  readonly members: () => (Latencies & { readonly record: T })[];
  /** @returns false when no more may be ejected. */
  readonly eject: (record: T) => boolean;
}

/** Looks at latencies while there are some. */
export class LatencyWatch<T> {
  private readonly context: LatencyWatchContext<T>;
  private timer: Timer | undefined = undefined;
  private isNews = false;
  private ejectedAt = Number.NEGATIVE_INFINITY;
  /** Outliers of the last look. */
  private suspects: ReadonlySet<T> = new Set();

  constructor(context: LatencyWatchContext<T>) {
    this.context = context;
  }

  /** An attempt has ended: there is something to look at. */
  wake(): void {
    this.isNews = true;
    if (this.timer === undefined) this.start();
  }

  /** Stops until it is woken. */
  close(): void {
    if (this.timer !== undefined) this.context.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  private start(): void {
    const { clock, intervalMs } = this.context;
    const everyMs = Math.min(lookMs, intervalMs);
    this.timer = clock.setBackgroundTimer(() => {
      this.timer = undefined;
      if (this.isNews) {
        this.isNews = false;
        this.look();
        this.start();
      } else this.suspects = new Set();
    }, everyMs);
  }

  private look(): void {
    const { clock, options, intervalMs, members, eject } = this.context;
    if (clock.now() - this.ejectedAt < intervalMs) {
      this.suspects = new Set();
      return;
    }
    const outliers = latencyOutliers(members(), options, clock.now()).map(({ record }) => record);
    const confirmed = outliers.find((record) => this.suspects.has(record));
    this.suspects = new Set(outliers);
    if (confirmed !== undefined && eject(confirmed)) this.ejectedAt = clock.now();
  }
}
