import type { LoadMetric } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { ConsistentHashPicker } from './consistent-hash.ts';
import { LeastRequest } from './least-request.ts';
import type { BalancerName, LoadBalancerOptions } from './load-balancer-options.ts';
import { maglev } from './maglev.ts';
import { PeakEwma } from './peak-ewma.ts';
import type { Picker } from './picker.ts';
import { PowerOfTwoPicker } from './power-of-two.ts';
import { PrequalPicker } from './prequal.ts';
import { PrequalLoad } from './prequal-load.ts';
import { RandomPicker } from './random.ts';
import { ReportedWeight } from './reported-weight.ts';
import { ringHash } from './ring-hash.ts';
import { RoundRobinPicker } from './round-robin.ts';
import { WeightedRoundRobinPicker } from './weighted-round-robin.ts';

/** What a load balancer is made of. */
export interface Balancer {
  /** A picker without members; one a cluster or view. */
  picker(options: LoadBalancerOptions, random: Random): Picker;
  /** The {@link import('../core/member.ts').Member.load} of a new member; its own, where it keeps something. */
  metric(): LoadMetric;
  /** Whether it reads what members report of their load; otherwise replies are not looked at. */
  readonly readsReports: boolean;
}

/** It keeps nothing, so one does for all members. */
const leastRequest = new LeastRequest();
const requests = () => leastRequest;
const powerOfTwo = ({ panicThresholdPercent }: LoadBalancerOptions, random: Random) =>
  new PowerOfTwoPicker(panicThresholdPercent, random);

/** The load balancers by name. A new one is a file and a line here. */
export const pickers: Readonly<Record<BalancerName, Balancer>> = Object.freeze({
  PEAK_EWMA: { picker: powerOfTwo, metric: () => new PeakEwma(), readsReports: false },
  LEAST_REQUEST: { picker: powerOfTwo, metric: requests, readsReports: false },
  ROUND_ROBIN: {
    picker: ({ panicThresholdPercent }, random) => new RoundRobinPicker(panicThresholdPercent, random),
    metric: requests,
    readsReports: false,
  },
  RANDOM: {
    picker: ({ panicThresholdPercent }, random) => new RandomPicker(panicThresholdPercent, random),
    metric: requests,
    readsReports: false,
  },
  RING_HASH: {
    picker: (options, random) => new ConsistentHashPicker(ringHash(options.hash.minimumRingSize), options, random),
    metric: requests,
    readsReports: false,
  },
  MAGLEV: {
    picker: (options, random) => new ConsistentHashPicker(maglev(options.hash.tableSize), options, random),
    metric: requests,
    readsReports: false,
  },
  WEIGHTED_ROUND_ROBIN: {
    picker: (options, random) => new WeightedRoundRobinPicker(options, random),
    metric: () => new ReportedWeight(),
    readsReports: true,
  },
  PREQUAL: {
    picker: (options, random) => new PrequalPicker(options, random),
    metric: () => new PrequalLoad(),
    readsReports: true,
  },
});
