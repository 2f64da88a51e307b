/**
 * Which arms are compared in which experiment? One row of docs/results.md each. Where latency is what is measured the arms
 * are few, so that two cores can run them next to each other.
 */
import { busy, failurePercents } from '../experiments.ts';
import { balancerPolicies, overloadPolicies, type Policies, retryPolicies } from '../policies.ts';
import { type Arm, balancedPool, haproxy, mesh, plainRoundRobin } from './arms.ts';

/** The numbers are those of the published results. */
export interface Row {
  /** Names of `experiments.ts`. */
  readonly experiments: readonly string[];
  readonly arms: Readonly<Record<string, Arm>>;
}

/** Arms of the mesh, by the names of their policies. */
function meshes(policies: Policies, names: readonly string[], timeoutMs?: number): Readonly<Record<string, Arm>> {
  return Object.fromEntries(names.map((name) => [`inmesh, ${name}`, mesh(policies[name], timeoutMs)]));
}

const balancers: Readonly<Record<string, Arm>> = {
  ...meshes(balancerPolicies, ['peak EWMA (default)', 'Prequal', 'least request', 'round robin']),
  'undici BalancedPool': balancedPool,
  'undici, round robin': plainRoundRobin,
};

const besides = meshes(balancerPolicies, ['peak EWMA, latency ejection', 'peak EWMA, hedging']);

const few = meshes(balancerPolicies, ['peak EWMA (default)', 'Prequal']);

/** The rows by number. */
export const rows: Readonly<Record<string, Row>> = {
  '1': {
    experiments: ['slow server'],
    arms: { ...balancers, ...besides, 'inmesh, no retries': mesh({ retries: { max: 0 } }) },
  },
  '2': { experiments: ['sinkhole'], arms: balancers },
  '3': { experiments: ['fast and slow'], arms: { ...few, 'undici, round robin': plainRoundRobin } },
  '4': {
    experiments: ['uneven servers'],
    arms: { ...few, 'undici, round robin': plainRoundRobin, 'HAProxy leastconn': haproxy },
  },
  '7': {
    experiments: failurePercents.map((percent) => `${percent}% fail`),
    arms: meshes(retryPolicies, Object.keys(retryPolicies)),
  },
  '8': {
    experiments: ['metastable'],
    arms: meshes(
      overloadPolicies,
      [
        'three retries, no budget',
        'three retries within the default budget',
        'adaptive limit, Vegas',
        'adaptive limit, Gradient2',
      ],
      4 * busy.timeoutMs,
    ),
  },
  '9': { experiments: ['bad pod'], arms: balancers },
};
