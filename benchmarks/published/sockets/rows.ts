/**
 * Which arms are compared in which experiment? One row of docs/results.md each.
 */
import type { MeshDocument } from '../../../src/index.ts';
import { busy } from '../experiments.ts';
import { type Arm, balancedPool, haproxy, mesh, nginx, plainRoundRobin } from './arms.ts';

type Policy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

/** The numbers are those of the published results. */
export interface Row {
  /** Names of `experiments.ts`. */
  readonly experiments: readonly string[];
  readonly arms: Readonly<Record<string, Arm>>;
}

const balancers: Readonly<Record<string, Arm>> = {
  'inmesh (peak EWMA)': mesh(),
  'inmesh, least request': mesh({ loadBalancer: { simple: 'LEAST_REQUEST' } }),
  'inmesh, round robin': mesh({ loadBalancer: { simple: 'ROUND_ROBIN' } }),
  'undici BalancedPool': balancedPool,
  'round robin': plainRoundRobin,
};

const noRetries: Policy = { retries: { max: 0 } };
const alone: Policy = { outlierDetection: { disabled: true } };
const three = { max: 3, retryOn: '500' };
const noBudget = { percent: 100, minRetriesPerSecond: 1_000_000 };
const eager = { max: 3, perTryTimeout: `${busy.timeoutMs}ms`, retryOn: 'reset,500,502,503,504,cancelled' };
const patience = 4 * busy.timeoutMs;

/** The rows by number. */
export const rows: Readonly<Record<string, Row>> = {
  '1': {
    experiments: ['slow server'],
    arms: {
      ...balancers,
      'inmesh, hedging': mesh({ hedge: { maxExtraLoad: 1 } }),
      'inmesh, no retries': mesh(noRetries),
    },
  },
  '2': { experiments: ['sinkhole'], arms: balancers },
  '3': { experiments: ['fast and slow'], arms: balancers },
  '4': {
    experiments: ['uneven servers'],
    arms: { ...balancers, 'HAProxy leastconn': haproxy, 'nginx least_conn': nginx },
  },
  '7': {
    experiments: [0, 25, 50, 75, 100].map((percent) => `${percent}% fail`),
    arms: {
      none: mesh({ ...alone, retries: { max: 0 } }),
      three: mesh({ ...alone, retries: three, retryBudget: noBudget }),
      'three, within the budget': mesh({ ...alone, retries: three }),
    },
  },
  '8': {
    experiments: ['metastable'],
    arms: {
      'three retries, no budget': mesh({ ...alone, retries: eager, retryBudget: noBudget }, patience),
      'three retries, default budget': mesh({ ...alone, retries: eager }, patience),
      'adaptive limit, Vegas': mesh({ retries: eager, adaptiveConcurrency: {} }, patience),
      'adaptive limit, Gradient2': mesh({ retries: eager, adaptiveConcurrency: { algorithm: 'GRADIENT2' } }, patience),
    },
  },
  '9': { experiments: ['bad pod'], arms: balancers },
};
