/**
 * What do the arms of an experiment differ in? The traffic policies that are compared, in simulated time and on sockets alike.
 */
import type { BalancerName } from '../../src/balancing/load-balancer-options.ts';
import type { MeshDocument } from '../../src/index.ts';
import { busy } from './experiments.ts';

/** How a service is used. */
export type Policy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

/** Arms by name. */
export type Policies = Readonly<Record<string, Policy>>;

/** No limit of ours is in the way of a load test. */
export const roomy: Policy = {
  connectionPool: {
    http: { http2MaxRequests: 1_000_000, http1MaxPendingRequests: 1_000_000 },
    tcp: { maxConnections: 100_000 },
  },
};

const simple = (name: 'PEAK_EWMA' | 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM'): Policy => ({
  loadBalancer: { simple: name },
});

/** Each balancer there is. Those that hash find a key of its own in each call. */
const byBalancer = {
  PEAK_EWMA: ['peak EWMA (default)', simple('PEAK_EWMA')],
  PREQUAL: ['Prequal', { loadBalancer: { prequal: {} } }],
  LEAST_REQUEST: ['least request', simple('LEAST_REQUEST')],
  ROUND_ROBIN: ['round robin', simple('ROUND_ROBIN')],
  RANDOM: ['random', simple('RANDOM')],
  WEIGHTED_ROUND_ROBIN: ['weighted round robin, no reports', { loadBalancer: { weightedRoundRobin: {} } }],
  RING_HASH: ['ring hash', { loadBalancer: { consistentHash: { httpHeaderName: 'x-user', ringHash: {} } } }],
  MAGLEV: ['Maglev', { loadBalancer: { consistentHash: { httpHeaderName: 'x-user', maglev: {} } } }],
} as const satisfies Record<BalancerName, readonly [name: string, policy: Policy]>;

const byLatency: Policy = { outlierDetection: { latency: {} } };

/** The balancers, and what is besides them against servers that are slow or broken. */
export const balancerPolicies: Policies = {
  ...Object.fromEntries(Object.values(byBalancer)),
  'peak EWMA, latency ejection': byLatency,
  'peak EWMA, hedging': { hedge: {} },
  'least request, latency ejection': { ...simple('LEAST_REQUEST'), ...byLatency },
  'round robin, latency ejection': { ...simple('ROUND_ROBIN'), ...byLatency },
};

const alone: Policy = { outlierDetection: { disabled: true } };
const three = { max: 3, retryOn: '500' };
const noBudget = { percent: 100, minRetriesPerSecond: 1_000_000 };

/** How often calls to a failing service are repeated. */
export const retryPolicies: Policies = {
  none: { ...alone, retries: { max: 0 } },
  three: { ...alone, retries: three, retryBudget: noBudget },
  'three, within the default budget': { ...alone, retries: three },
};

const eager = { max: 3, perTryTimeout: `${busy.timeoutMs}ms`, retryOn: 'reset,500,502,503,504,cancelled' };

/** What protects a service that has more to do than it can. */
export const overloadPolicies: Policies = {
  'three retries, no budget': { ...roomy, ...alone, retries: eager, retryBudget: noBudget },
  'three retries within the default budget': { ...roomy, ...alone, retries: eager },
  'adaptive limit, Vegas': { ...roomy, retries: eager, adaptiveConcurrency: { algorithm: 'VEGAS' } },
  'adaptive limit, Gradient2': { ...roomy, retries: eager, adaptiveConcurrency: { algorithm: 'GRADIENT2' } },
  'adaptive limit, Vegas; default connection limits': { retries: eager, adaptiveConcurrency: {} },
  'admission control over 10 s': { ...roomy, retries: eager, admissionControl: { window: '10s' } },
};

/** Which calls are refused, where not all can be answered. */
export const criticalityPolicies: Policies = {
  'no control': { ...roomy, ...alone, retries: eager },
  'admission control, k 2 over 2 s': { ...roomy, ...alone, retries: eager, admissionControl: { k: 2, window: '2s' } },
  'admission control, k 1.1 over 2 s': {
    ...roomy,
    ...alone,
    retries: eager,
    admissionControl: { k: 1.1, window: '2s' },
  },
  'adaptive limit, Vegas': { ...roomy, ...alone, retries: eager, adaptiveConcurrency: { algorithm: 'VEGAS' } },
  'adaptive limit, Gradient2': { ...roomy, ...alone, retries: eager, adaptiveConcurrency: { algorithm: 'GRADIENT2' } },
};
