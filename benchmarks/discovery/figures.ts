/** Figures of a benchmark, rounded for people. */

/** The q-quantile of some values. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Three digits after the point are more than is known. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Median, 99th percentile and maximum. */
export function summary(values: readonly number[]) {
  return {
    count: values.length,
    p50: rounded(quantile(values, 0.5)),
    p99: rounded(quantile(values, 0.99)),
    max: rounded(Math.max(...values)),
  };
}

/** The longest turns of the event loop while it is watched; what a timer would be late by. */
export class LongestTurn {
  private longest = 0;
  private last = performance.now();
  private running = true;

  constructor() {
    const turn = () => {
      const now = performance.now();
      this.longest = Math.max(this.longest, now - this.last);
      this.last = now;
      if (this.running) setImmediate(turn);
    };
    setImmediate(turn);
  }

  /** The longest since the last time, in ms. */
  take(): number {
    const { longest } = this;
    this.longest = 0;
    return longest;
  }

  stop(): void {
    this.running = false;
  }
}
