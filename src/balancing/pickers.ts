import type { LoadMetric } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { LeastRequest } from './least-request.ts';
import type { LoadBalancerOptions } from './load-balancer-options.ts';
import { PeakEwma } from './peak-ewma.ts';
import type { Picker } from './picker.ts';
import { PowerOfTwoPicker } from './power-of-two.ts';
import { RandomPicker } from './random.ts';
import { RoundRobinPicker } from './round-robin.ts';

/** What a load balancer is made of. */
export interface Balancer {
  /** A picker without members; one a cluster or view. */
  picker(panicThresholdPercent: number, random: Random): Picker;
  /** The {@link import('../core/member.ts').Member.load} of a new member. */
  metric(): LoadMetric;
}

/** The load balancers by name. A new one is a file and a line here. */
export const pickers: Readonly<Record<LoadBalancerOptions['simple'], Balancer>> = Object.freeze({
  PEAK_EWMA: { picker: (panic, random) => new PowerOfTwoPicker(panic, random), metric: () => new PeakEwma() },
  LEAST_REQUEST: { picker: (panic, random) => new PowerOfTwoPicker(panic, random), metric: () => new LeastRequest() },
  ROUND_ROBIN: { picker: (panic, random) => new RoundRobinPicker(panic, random), metric: () => new LeastRequest() },
  RANDOM: { picker: (panic, random) => new RandomPicker(panic, random), metric: () => new LeastRequest() },
});
