import { describe, expect, it } from 'vitest';
import type { Clock, Timer } from '../../../src/core/clock.ts';
import { EventLoopDelay } from '../../../src/resilience/shedding/event-loop-delay.ts';

/** A clock of an event loop that is busy for `busyMs` whenever a timer is due. */
class BusyClock implements Clock {
  busyMs = 0;
  pending: (() => void) | undefined = undefined;
  private instant = 1_000;
  private dueAt = 0;

  now = () => this.instant;
  wallTime = () => this.instant;
  setTimer = (): Timer => {
    throw new Error('a timer of the background is enough');
  };
  setBackgroundTimer = (callback: () => void, delayMs: number): Timer => {
    this.pending = callback;
    this.dueAt = this.instant + delayMs;
    return callback;
  };
  clearTimer = (timer: Timer) => {
    if (timer === this.pending) this.pending = undefined;
  };

  /** The timer fires, so often. */
  fire(times = 1): void {
    for (let time = 0; time < times; time++) {
      this.instant = this.dueAt + this.busyMs;
      this.pending?.();
    }
  }
}

function started(busyMs = 0) {
  const clock = new BusyClock();
  const delay = new EventLoopDelay(clock);
  delay.start();
  clock.busyMs = busyMs;
  return { clock, delay };
}

describe('EventLoopDelay', () => {
  it('is 0 while timers are in time', () => {
    const { clock, delay } = started();
    clock.fire(100);
    expect(delay.ms).toBe(0);
  });

  it('comes to what timers are late, and back', () => {
    const { clock, delay } = started(200);
    clock.fire(4);
    expect(delay.ms).toBeGreaterThan(150);
    clock.fire(20);
    expect(delay.ms).toBeCloseTo(200, 0);
    clock.busyMs = 0;
    clock.fire(4);
    expect(delay.ms).toBeLessThan(50);
  });

  it('takes one pause for a third of what it was', () => {
    const { clock, delay } = started(240);
    clock.fire();
    expect(delay.ms).toBeCloseTo(80);
  });

  it('does not take a night of sleep for work', () => {
    const { clock, delay } = started(8 * 3_600_000);
    clock.fire();
    clock.busyMs = 0;
    clock.fire(10);
    expect(delay.ms).toBeLessThan(100);
  });

  it('has one timer, however often it is started, and none once it is closed', () => {
    const { clock, delay } = started(500);
    const { pending } = clock;
    delay.start();
    expect(clock.pending).toBe(pending);
    clock.fire();
    delay.close();
    expect(clock.pending).toBeUndefined();
    expect(delay.ms).toBe(0);
  });
});
