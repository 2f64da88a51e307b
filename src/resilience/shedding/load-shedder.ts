/**
 * Which requests does a process turn away when it has too much to do? Those that matter least, and of each kind more the
 * later its timers come: a share that follows the delay settles where a switch would flap. The next kind is touched when
 * all of the one below it are turned away.
 */
import type { Criticality } from '../../core/criticality.ts';
import type { Random } from '../../core/random.ts';
import { criticalityShare } from '../criticality-share.ts';

/** When a process turns requests away. */
export interface ShedOptions {
  /**
   * The delay of the event loop from which on requests are turned away, in ms, from 1 to 10,000; at 1.25 times that all of
   * them are. Those of lower criticality from half (`sheddable`) and three quarters of it on, `critical-plus` from 1.25 to
   * 1.5 times. Default 100 (overload-protection: 42, toobusy: 70, @fastify/under-pressure: its example has 1,000).
   */
  readonly eventLoopDelayMs: number;
  /**
   * The most requests that are served at once, an integer ≥ 1; lower criticalities find it full at half and three quarters
   * of it, `critical-plus` at 1.25 times. Default: any number.
   */
  readonly maxInFlight: number;
  /** What the answer tells the client to wait, in ms, in whole seconds at least. Default 1,000 (overload-protection). */
  readonly retryAfterMs: number;
  /** Whether requests that should be turned away are counted and served. Default false. */
  readonly darkMode: boolean;
}

export const shedDefaults: ShedOptions = Object.freeze({
  eventLoopDelayMs: 100,
  maxInFlight: Number.POSITIVE_INFINITY,
  retryAfterMs: 1_000,
  darkMode: false,
});

/** Why a request was turned away. */
export type ShedReason = 'event-loop-delay' | 'in-flight';

/** From the first of a kind to all of them, as a share of the delay: the distance of the shares. */
const rampShare = 0.25;

/** Decides on requests. */
export class LoadShedder {
  private readonly options: ShedOptions;
  private readonly random: Random;

  constructor(options: ShedOptions, random: Random) {
    this.options = options;
    this.random = random;
  }

  /**
   * Why a request is turned away; `undefined` when it is served.
   *
   * @param inFlight requests that are being served, without this one.
   * @param delayMs the delay of the event loop.
   */
  refusal(criticality: Criticality, inFlight: number, delayMs: number): ShedReason | undefined {
    const { eventLoopDelayMs, maxInFlight } = this.options;
    const share = criticalityShare[criticality];
    if (inFlight > 0 && inFlight >= maxInFlight * share) return 'in-flight';
    const probability = (delayMs / eventLoopDelayMs - share) / rampShare;
    if (probability <= 0) return undefined;
    return probability >= 1 || this.random.next() < probability ? 'event-loop-delay' : undefined;
  }
}
