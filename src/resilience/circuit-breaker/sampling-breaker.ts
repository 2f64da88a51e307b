import { CircuitState, type IBreaker } from 'cockatiel';
import type { Clock } from '../../core/clock.ts';
import type { CircuitBreakerOptions } from './circuit-breaker.ts';

/** The window is counted in this many slots, so that it slides (Hystrix: 10 buckets). */
const slotCount = 10;

/** What a {@link SamplingBreaker} remembers. */
interface Window {
  /** The slot that is being counted, since the clock's 0. */
  slot: number;
  readonly successes: number[];
  readonly failures: number[];
  consecutiveFailures: number;
}

/**
 * Decides by the share of failures in a sliding window, or by failures in a row, when a circuit opens. cockatiel's own
 * `SamplingBreaker` reads the wall clock, and does not open at low rates; this one reads the mesh's clock.
 */
export class SamplingBreaker implements IBreaker {
  /** For cockatiel, which saves and restores it. */
  state: Window = emptyWindow(0);
  private readonly clock: Clock;
  private readonly options: CircuitBreakerOptions;
  private readonly slotMs: number;

  constructor(clock: Clock, options: CircuitBreakerOptions) {
    this.clock = clock;
    this.options = options;
    this.slotMs = options.windowMs / slotCount;
  }

  success(state: CircuitState): void {
    if (state === CircuitState.HalfOpen) {
      // The circuit closes: what came before the trouble's end is over.
      this.state = emptyWindow(this.state.slot);
      return;
    }
    const place = this.placeNow();
    this.state.successes[place] = (this.state.successes[place] as number) + 1;
    this.state.consecutiveFailures = 0;
  }

  failure(): boolean {
    const { consecutiveErrors, errorPercent, minRequests } = this.options;
    const place = this.placeNow();
    const { state } = this;
    state.failures[place] = (state.failures[place] as number) + 1;
    state.consecutiveFailures++;
    if (consecutiveErrors > 0 && state.consecutiveFailures >= consecutiveErrors) return true;
    const failures = sum(state.failures);
    const total = failures + sum(state.successes);
    return errorPercent > 0 && total >= minRequests && failures * 100 >= errorPercent * total;
  }

  /** Moves on to the slot of now, and returns its place in the rings. */
  private placeNow(): number {
    const { state } = this;
    const slot = Math.floor(this.clock.now() / this.slotMs);
    for (let next = Math.max(state.slot + 1, slot - slotCount + 1); next <= slot; next++) {
      state.successes[next % slotCount] = 0;
      state.failures[next % slotCount] = 0;
    }
    state.slot = Math.max(slot, state.slot);
    return state.slot % slotCount;
  }
}

function emptyWindow(slot: number): Window {
  return {
    slot,
    successes: new Array<number>(slotCount).fill(0),
    failures: new Array<number>(slotCount).fill(0),
    consecutiveFailures: 0,
  };
}

function sum(counts: readonly number[]): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
