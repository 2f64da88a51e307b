/**
 * Why a budget, and not only a maximum per call? When everything fails, a maximum of 2 triples the load of a service
 * that is down already; a budget of 20% adds a fifth, whatever the maximum is. And why nothing banked? Finagle's and
 * Linkerd's budgets save ten seconds of calls, and spend them at once when the trouble starts (1.39 times the load, this
 * 1.20 times).
 */
import { MeshError } from '../../core/errors.ts';

/** How many retries (and hedges) a service may add to its calls. */
export interface RetryBudgetOptions {
  /** Retries in any second, as a share of that second's calls, in percent. 0–100, default 20. */
  readonly percent: number;
  /** What is always allowed in any second. ≥ 0, default 10. */
  readonly minRetriesPerSecond: number;
}

export const retryBudgetDefaults: RetryBudgetOptions = Object.freeze({ percent: 20, minRetriesPerSecond: 10 });

/** A second is counted in this many slots. */
const slotsPerSecond = 20;
const slotMs = 1000 / slotsPerSecond;

/**
 * Retries are counted over one slot more than calls: whole slots reach back up to a slot too far or stop up to a slot
 * too short, and this way every error is to the safe side.
 */
const slotCount = slotsPerSecond + 1;

/**
 * The budget of one service, shared by all who repeat: retries and hedges.
 *
 * When {@link tryWithdraw} answers yes, then the retries of the second that ends there, this one included, are at most
 * `max(minRetriesPerSecond, percent% of the calls of the same second)`. As every window of one second ends with its last
 * retry or later, this bounds the retries of any window. Up to a slot of 50 ms it errs to the safe side.
 */
export class RetryBudget {
  private readonly minRetries: number;
  private readonly ratio: number;
  private readonly calls = new Uint32Array(slotCount);
  private readonly retries = new Uint32Array(slotCount);
  private recentCalls = 0;
  private recentRetries = 0;
  private slot = 0;

  /** @throws MeshError `INMESH_OPTION` for a value out of range. */
  constructor(options: RetryBudgetOptions = retryBudgetDefaults) {
    inRange('percent', options.percent, 100);
    inRange('minRetriesPerSecond', options.minRetriesPerSecond, Number.MAX_SAFE_INTEGER);
    this.minRetries = options.minRetriesPerSecond;
    this.ratio = options.percent / 100;
  }

  /** Counts a call (not its retries) at the instant `now`. */
  deposit(now: number): void {
    const place = this.placeAt(now);
    this.calls[place] = (this.calls[place] as number) + 1;
    this.recentCalls++;
  }

  /**
   * Whether {@link tryWithdraw} would answer yes.
   *
   * @param part of what calls pay for, 0–1: who asks with less than 1 leaves the rest to others. Default 1.
   */
  hasRoom(now: number, part = 1): boolean {
    this.placeAt(now);
    return this.recentRetries + 1 <= Math.max(this.minRetries, this.recentCalls * this.ratio * part);
  }

  /** Counts a retry at the instant `now` if the budget has room for it. */
  tryWithdraw(now: number): boolean {
    if (!this.hasRoom(now)) return false;
    const place = this.placeAt(now);
    this.retries[place] = (this.retries[place] as number) + 1;
    this.recentRetries++;
    return true;
  }

  /** Moves on to the slot of `now`, and returns its place in the rings. */
  private placeAt(now: number): number {
    const slot = Math.floor(now / slotMs);
    if (slot > this.slot) {
      // After a whole ring of silence every place is cleared once, however long the silence was.
      for (let next = Math.max(this.slot + 1, slot - slotCount + 1); next <= slot; next++) this.clear(next % slotCount);
      this.slot = slot;
      this.recentCalls = 0;
      this.recentRetries = 0;
      const beyond = (slot + 1) % slotCount;
      for (let place = 0; place < slotCount; place++) {
        if (place !== beyond) this.recentCalls += this.calls[place] as number;
        this.recentRetries += this.retries[place] as number;
      }
    }
    return this.slot % slotCount;
  }

  private clear(place: number): void {
    this.calls[place] = 0;
    this.retries[place] = 0;
  }
}

function inRange(option: string, value: number, max: number): void {
  if (value >= 0 && value <= max) return;
  throw new MeshError('INMESH_OPTION', `option retryBudget.${option} is ${value}; allowed are 0–${max}`);
}
