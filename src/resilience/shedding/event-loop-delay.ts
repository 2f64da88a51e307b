/**
 * How does a process know that it has too much to do? Its timers come late: whatever is due waits for what runs. One timer
 * in the background is looked at, for all requests together (as toobusy does; @fastify/under-pressure reads a histogram of
 * Node's, whose timer the clock of a simulation does not move).
 */
import type { Clock, Timer } from '../../core/clock.ts';

/** How often the timer is due, in ms. */
const sampleMs = 50;
/** The share of a sample in the mean: three samples, so that one pause of the garbage collector is no overload. */
const smoothing = 1 / 3;
/** A computer that has slept was not busy; more than this is no delay of an event loop that serves anybody, in ms. */
const maxSampleMs = 10_000;

/** The mean delay of the event loop. */
export class EventLoopDelay {
  /** How late timers come, in ms, smoothed; 0 until {@link start}. */
  ms = 0;
  private readonly clock: Clock;
  private timer: Timer | undefined = undefined;
  private closed = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Begins to look; does nothing when it has begun, or was closed. */
  start(): void {
    if (this.timer === undefined && !this.closed) this.sampleAt(this.clock.now() + sampleMs);
  }

  /** Stops looking. */
  close(): void {
    this.closed = true;
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timer = undefined;
    this.ms = 0;
  }

  private sampleAt(due: number): void {
    this.timer = this.clock.setBackgroundTimer(() => {
      const now = this.clock.now();
      const lateMs = Math.min(maxSampleMs, Math.max(0, now - due));
      this.ms += smoothing * (lateMs - this.ms);
      this.sampleAt(now + sampleMs);
    }, sampleMs);
  }
}
