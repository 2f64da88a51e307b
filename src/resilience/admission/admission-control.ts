/**
 * Why does a client refuse its own calls? Because a server that refuses them has to read them first, and one that is far
 * enough over its load does nothing else any more. A client that sees its calls refused sends about as many as are
 * accepted, times {@link AdmissionOptions.k}: enough to notice that the trouble is over (Google, Site Reliability
 * Engineering, chapter 21, "Handling Overload": client-side throttling; the names are those of Envoy's admission control).
 *
 * Google keeps figures for each criticality apart, which sheds the lowest first only where the server does. Here the
 * number of calls to be refused is that of the book, over all of them, and they are taken from the lowest first.
 */
import { type Criticality, criticalities, criticalityRank } from '../../core/criticality.ts';

/** When calls to a service are refused because it refuses calls. */
export interface AdmissionOptions {
  /** So many calls for each that is accepted are let through. > 1, default 2. */
  readonly k: number;
  /** How far back calls count, in ms. Default 120,000. */
  readonly windowMs: number;
  /** Nothing is refused below this many calls a second, as the mean of a window. ≥ 0, default 1. */
  readonly minRequestsPerSecond: number;
  /** Never more than this share of the calls is refused, in percent. 0–100, default 80 (Envoy). */
  readonly maxRejectionPercent: number;
  /** Whether calls that should be refused are counted and let through. Default false. */
  readonly darkMode: boolean;
}

export const admissionDefaults: AdmissionOptions = Object.freeze({
  k: 2,
  windowMs: 120_000,
  minRequestsPerSecond: 1,
  maxRejectionPercent: 80,
  darkMode: false,
});

/** The window is counted in this many slots, so that it slides. */
const slotCount = 20;
/** Requests of each criticality, and what was accepted of all. */
const columns = criticalities.length + 1;
const acceptsColumn = criticalities.length;

/** The calls to a service in the last window, and what became of them. Each call takes constant time and no memory. */
export class AdmissionControl {
  private readonly slots = new Uint32Array(slotCount * columns);
  private readonly sums = new Float64Array(columns);
  private slot = 0;
  private readonly slotMs: number;
  private readonly k: number;
  private readonly minRequests: number;
  private readonly maxShare: number;

  constructor({ k, windowMs, minRequestsPerSecond, maxRejectionPercent }: AdmissionOptions) {
    this.slotMs = windowMs / slotCount;
    this.k = k;
    this.minRequests = (minRequestsPerSecond * windowMs) / 1000;
    this.maxShare = maxRejectionPercent / 100;
  }

  /** Counts a call that is over, or that was refused here (`accepted` false), at the instant `now`. */
  add(now: number, criticality: Criticality, accepted: boolean): void {
    const start = this.startOf(now);
    this.count(start, criticalityRank[criticality]);
    if (accepted) this.count(start, acceptsColumn);
  }

  /** How likely a call is to be refused at the instant `now`, 0–1. */
  rejection(now: number, criticality: Criticality): number {
    this.startOf(now);
    const { sums } = this;
    const rank = criticalityRank[criticality];
    let requests = 0;
    let lower = 0;
    for (let column = 0; column < acceptsColumn; column++) {
      if (column === rank) lower = requests;
      requests += sums[column] as number;
    }
    if (requests < this.minRequests) return 0;
    const tooMany = Math.min(requests - this.k * (sums[acceptsColumn] as number), requests * this.maxShare);
    // What the lower ones give is not taken from this one.
    const rejection = (tooMany - lower) / ((sums[rank] as number) + 1);
    return rejection <= 0 ? 0 : Math.min(1, rejection);
  }

  private count(start: number, column: number): void {
    this.slots[start + column] = (this.slots[start + column] as number) + 1;
    this.sums[column] = (this.sums[column] as number) + 1;
  }

  /** Moves on to the slot of `now`, and returns where it starts. */
  private startOf(now: number): number {
    const slot = Math.floor(now / this.slotMs);
    if (slot - this.slot >= slotCount) {
      this.slots.fill(0);
      this.sums.fill(0);
      this.slot = slot;
    }
    while (this.slot < slot) this.forget(++this.slot);
    return (this.slot % slotCount) * columns;
  }

  /** Clears the place that `slot` takes over. */
  private forget(slot: number): void {
    const start = (slot % slotCount) * columns;
    for (let column = 0; column < columns; column++) {
      this.sums[column] = (this.sums[column] as number) - (this.slots[start + column] as number);
      this.slots[start + column] = 0;
    }
  }
}
