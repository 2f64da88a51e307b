/**
 * How long does a fake endpoint take? As long as a number says, or a draw from a distribution; either may change with
 * time. Draws come from the seeded randomness of the network, so that a run can be repeated.
 */
import type { Random } from '../core/random.ts';

/** A duration in ms, ≥ 0: fixed, or drawn anew for each use at the instant `now` of the network's clock. */
export type Latency = number | ((random: Random, now: number) => number);

/** A uniform draw in (0, 1]: its logarithm is finite. */
const positive = (random: Random): number => 1 - random.next();

/** A draw from the standard normal distribution (Box and Muller, 1958). */
function standardNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(positive(random))) * Math.cos(2 * Math.PI * random.next());
}

/** The quantile of the standard normal distribution at 99%. */
const z99 = 2.3263;

/** The distributions that {@link Latency} comes in. */
export const latency = {
  /** Any duration from `minMs` to `maxMs` alike. */
  uniform(minMs: number, maxMs: number): Latency {
    return (random) => minMs + random.next() * (maxMs - minMs);
  },

  /** Around `meanMs`; draws below 0 are 0. */
  normal(meanMs: number, deviationMs: number): Latency {
    return (random) => Math.max(0, meanMs + deviationMs * standardNormal(random));
  },

  /** As real servers answer: half within `medianMs`, all but a hundredth within `p99Ms`, a few far beyond. */
  logNormal(medianMs: number, p99Ms: number): Latency {
    const sigma = Math.log(p99Ms / medianMs) / z99;
    return (random) => medianMs * Math.exp(sigma * standardNormal(random));
  },

  /** What `at` gives for the instant of the draw, in ms since the start of the simulation. */
  overTime(at: (now: number) => Latency): Latency {
    return (random, now) => drawLatency(at(now), random, now);
  },
} as const;

/** The duration of one use, in ms. */
export function drawLatency(from: Latency, random: Random, now: number): number {
  return typeof from === 'number' ? from : from(random, now);
}
