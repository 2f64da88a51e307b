import type { LoadMetric } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { ConsistentHashPicker } from './consistent-hash.ts';
import { LeastRequest } from './least-request.ts';
import type { BalancerName, LoadBalancerOptions } from './load-balancer-options.ts';
import { maglev } from './maglev.ts';
import { PeakEwma } from './peak-ewma.ts';
import type { Picker } from './picker.ts';
import { PowerOfTwoPicker } from './power-of-two.ts';
import { RandomPicker } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { RoundRobinPicker } from './round-robin.ts';

/** What a load balancer is made of. */
export interface Balancer {
  /** A picker without members; one a cluster or view. */
  picker(options: LoadBalancerOptions, random: Random): Picker;
  /** The {@link import('../core/member.ts').Member.load} of a new member; its own, where it keeps something. */
  metric(): LoadMetric;
}

/** It keeps nothing, so one does for all members. */
const leastRequest = new LeastRequest();
const requests = () => leastRequest;
const powerOfTwo = ({ panicThresholdPercent }: LoadBalancerOptions, random: Random) =>
  new PowerOfTwoPicker(panicThresholdPercent, random);

/** The load balancers by name. A new one is a file and a line here. */
export const pickers: Readonly<Record<BalancerName, Balancer>> = Object.freeze({
  PEAK_EWMA: { picker: powerOfTwo, metric: () => new PeakEwma() },
  LEAST_REQUEST: { picker: powerOfTwo, metric: requests },
  ROUND_ROBIN: {
    picker: ({ panicThresholdPercent }, random) => new RoundRobinPicker(panicThresholdPercent, random),
    metric: requests,
  },
  RANDOM: {
    picker: ({ panicThresholdPercent }, random) => new RandomPicker(panicThresholdPercent, random),
    metric: requests,
  },
  RING_HASH: {
    picker: (options, random) => new ConsistentHashPicker(ringHash(options.hash.minimumRingSize), options, random),
    metric: requests,
  },
  MAGLEV: {
    picker: (options, random) => new ConsistentHashPicker(maglev(options.hash.tableSize), options, random),
    metric: requests,
  },
});
