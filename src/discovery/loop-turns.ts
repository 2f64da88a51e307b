/**
 * How is much work done without holding up the calls of the process? In slices: whoever works asks now and then whether
 * his slice is over, and lets the event loop turn when it is.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';

/** A slice may last this long, in ms; with what one step takes it stays below 10. */
const sliceMs = 3;

/** The slices of one piece of work. */
export class LoopTurns {
  private readonly clock: Clock;
  private startedAt: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.startedAt = clock.now();
  }

  /** Whether it is time for {@link turn}. Cheap enough to be asked for each element. */
  get due(): boolean {
    return this.clock.now() - this.startedAt >= sliceMs;
  }

  /** Lets the event loop turn. */
  async turn(): Promise<void> {
    await nextTurn();
    this.startedAt = this.clock.now();
  }
}
