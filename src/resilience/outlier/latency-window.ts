/**
 * What is remembered of a member's latencies? Its last attempts, as pairs of numbers in a ring: the hot path writes two
 * of them, and nothing is allocated after the first.
 */

/** The most attempts that are kept of one member: 4 KiB. */
export const maxWindow = 256;

/** The last attempts of one member: when each was started, and how long it took at least. */
export class LatencyWindow {
  private readonly startedAt: Float64Array;
  private readonly latencyMs: Float64Array;
  private next = 0;
  private count = 0;

  /** @param capacity how many attempts are kept; 1 to {@link maxWindow}. */
  constructor(capacity: number) {
    this.startedAt = new Float64Array(capacity);
    this.latencyMs = new Float64Array(capacity);
  }

  /** An attempt has its head, or has ended without one, after `latencyMs`. */
  add(startedAt: number, latencyMs: number): void {
    this.startedAt[this.next] = startedAt;
    this.latencyMs[this.next] = latencyMs;
    this.next = this.next + 1 < this.startedAt.length ? this.next + 1 : 0;
    if (this.count < this.startedAt.length) this.count++;
  }

  /** Forgets everything. */
  clear(): void {
    this.count = 0;
    this.next = 0;
  }

  /** The attempts that ended at `since` or later, in no order. */
  endedSince(since: number): LatencySample[] {
    const samples: LatencySample[] = [];
    for (let index = 0; index < this.count; index++) {
      const startedAt = this.startedAt[index] as number;
      const latencyMs = this.latencyMs[index] as number;
      if (startedAt + latencyMs >= since) samples.push({ startedAt, latencyMs });
    }
    return samples;
  }
}

/** What is known of one attempt. */
export interface LatencySample {
  readonly startedAt: number;
  /** To the head; its age for one that waits. */
  readonly latencyMs: number;
}
