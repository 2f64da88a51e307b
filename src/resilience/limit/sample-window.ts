/**
 * How long do calls take now? One call says little: calls differ. So a limit learns from the mean of a window of calls
 * (Netflix, concurrency-limits, `WindowedLimit`).
 */

/** A window holds at least so many calls, */
const minCalls = 10;
/** and lasts at least this long, in ms; */
const minMs = 100;
/** with fewer calls than this it lasts longer, or the noise of single calls would be taken for waiting, */
const manyCalls = 250;
/** but not longer than this, in ms. */
const longMs = 1_000;

/** What a window of calls says. */
export interface WindowSample {
  /** The mean time from the start of a call to its head, in ms. */
  readonly latencyMs: number;
  /** The most calls that were under way when one of them started, itself included. */
  readonly inFlight: number;
  /** Whether the service had no room for one of them. */
  readonly dropped: boolean;
}

/** Gathers calls until they are enough. */
export class SampleWindow {
  private startedAt = Number.NaN;
  private calls = 0;
  private sumMs = 0;
  private inFlight = 0;
  private dropped = false;

  /** Adds a call that is over; answers with what the window says when it is full, and begins another. */
  add(now: number, latencyMs: number, inFlight: number, dropped: boolean): WindowSample | undefined {
    if (this.calls === 0) this.startedAt = now;
    this.calls++;
    this.sumMs += latencyMs;
    if (inFlight > this.inFlight) this.inFlight = inFlight;
    if (dropped) this.dropped = true;
    const needMs = this.calls < manyCalls ? longMs : minMs;
    if (this.calls < minCalls || now - this.startedAt < needMs) return undefined;
    const sample = { latencyMs: this.sumMs / this.calls, inFlight: this.inFlight, dropped: this.dropped };
    this.calls = 0;
    this.sumMs = 0;
    this.inFlight = 0;
    this.dropped = false;
    return sample;
  }
}
