/**
 * Where does the mesh get its time from? From here, and from nowhere else: a simulation swaps the clock and the whole
 * mesh runs in virtual time. `Date.now`, `performance.now` and `setTimeout` appear in this file only.
 *
 * The functions are captured at import, so that the fake timers of a test runner do not stop the mesh of a service.
 */

/** A handle of {@link Clock.setTimer}. Opaque. */
export type Timer = object;

/** The source of time. All durations and instants are milliseconds; instants are monotonic and start anywhere. */
export interface Clock {
  /** The monotonic instant, in ms, with a fraction. */
  now(): number;
  /** The wall clock in ms since the epoch. Only for what leaves the process (certificates, Retry-After dates, logs). */
  wallTime(): number;
  /**
   * Calls `callback` once after `delayMs`. The timer keeps the process alive.
   * A delay above 2^31-1 ms is cut to that (about 24.8 days).
   */
  setTimer(callback: () => void, delayMs: number): Timer;
  /** As {@link setTimer}, but an idle process may exit before it fires. For background work. */
  setBackgroundTimer(callback: () => void, delayMs: number): Timer;
  /** Forgets a timer; one that has fired is ignored. */
  clearTimer(timer: Timer): void;
}

const { setTimeout: platformSetTimeout, clearTimeout: platformClearTimeout } = globalThis;
const platformPerformance = globalThis.performance;
const platformNow = platformPerformance.now.bind(platformPerformance);
const platformWallTime = Date.now;

/** The longest delay that `setTimeout` accepts; beyond it fires at once. */
const maxDelayMs = 2 ** 31 - 1;

/** The clock of the process. */
export const systemClock: Clock = {
  now: platformNow,
  wallTime: () => platformWallTime(),
  // Node cuts fractions off; a limit must not be shorter than it says.
  setTimer: (callback, delayMs) => platformSetTimeout(callback, delayMs > maxDelayMs ? maxDelayMs : Math.ceil(delayMs)),
  setBackgroundTimer: (callback, delayMs) =>
    platformSetTimeout(callback, delayMs > maxDelayMs ? maxDelayMs : delayMs).unref(),
  clearTimer: (timer) => platformClearTimeout(timer as NodeJS.Timeout),
};
