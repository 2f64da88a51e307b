/**
 * Which meshes are simulated? Small ones with narrow limits, so that a few dozen calls meet queues, ejections, open
 * breakers and spent budgets.
 */
import type { MeshDocument } from '../../src/config/schema.ts';
import type { Criticality } from '../../src/core/criticality.ts';
import { type Dice, given } from './dice.ts';

type Service = NonNullable<MeshDocument['services']>[number];
type Policy = NonNullable<Service['trafficPolicy']>;

/** What stays the same when a service is configured anew: its budget counts over such a change only if it is not one. */
export interface ServiceShape {
  readonly host: string;
  readonly endpoints: number;
  readonly retryBudget: Policy['retryBudget'];
}

/** One to five services of one to eight endpoints. */
export function randomShapes(dice: Dice): ServiceShape[] {
  return Array.from({ length: dice.integer(1, 5) }, (_, index) => ({
    host: `service-${index + 1}`,
    endpoints: dice.integer(1, 8),
    retryBudget: dice.maybe(0.5, () => ({
      percent: dice.pick(0, 10, 20, 100),
      minRetriesPerSecond: dice.pick(0, 1, 3, 10),
    })),
  }));
}

/** The address of an endpoint, counted from 1. */
export function addressOf(host: string, endpoint: number): string {
  return `10.0.${host.slice('service-'.length)}.${endpoint}:80`;
}

/** A document over `shapes`; another one each time. */
export function randomDocument(dice: Dice, shapes: readonly ServiceShape[]): MeshDocument {
  const routed = dice.maybe(0.3, () => ({
    hosts: [shapes[0]!.host],
    http: [
      given({
        route: [
          { destination: { host: shapes[0]!.host, subset: 'v1' }, weight: dice.integer(1, 9) },
          { destination: { host: shapes[0]!.host, subset: 'v2' }, weight: dice.integer(0, 9) },
        ],
        timeout: dice.maybe(0.3, () => `${dice.integer(80, 600)}ms`),
        circuitBreaker: dice.maybe(0.3, () => randomBreaker(dice)),
        localRateLimit: dice.maybe(0.2, () => randomRateLimit(dice)),
        criticality: dice.maybe(0.2, () => randomCriticality(dice)),
      }),
    ],
  }));
  return given({
    services: shapes.map((shape) => randomService(dice, shape)),
    routes: routed && [routed],
  });
}

function randomService(dice: Dice, shape: ServiceShape): Service {
  const present = Array.from({ length: shape.endpoints }, (_, index) => index + 1).filter(() => dice.chance(0.85));
  return given({
    host: shape.host,
    endpoints: present.map((endpoint) =>
      given({
        address: addressOf(shape.host, endpoint),
        locality: dice.pick('eu/eu-1', 'eu/eu-2', 'us/us-1'),
        labels: { version: endpoint % 2 === 1 ? 'v1' : 'v2' },
        weight: dice.maybe(0.2, () => dice.integer(0, 3)),
      }),
    ),
    subsets: [
      { name: 'v1', labels: { version: 'v1' } },
      { name: 'v2', labels: { version: 'v2' } },
    ],
    trafficPolicy: randomPolicy(dice, shape),
  });
}

function randomPolicy(dice: Dice, { retryBudget }: ServiceShape): Policy {
  return given({
    loadBalancer: given({
      ...(dice.chance(0.15) ? { subsetSize: dice.integer(1, 6), ...randomPlainBalancer(dice) } : randomBalancer(dice)),
      panicThreshold: dice.maybe(0.3, () => dice.pick(0, 30, 100)),
      sessionAffinity: dice.maybe(0.1, () => ({ cookie: { name: 'stay' } })),
      localityLbSetting: dice.maybe(0.3, () =>
        dice.pick<NonNullable<Policy['loadBalancer']>['localityLbSetting']>(
          {},
          { zoneAware: { minEndpoints: 2 } },
          { failover: [{ from: 'eu', to: 'us' }] },
          { distribute: [{ from: '*', to: { 'eu/eu-1': 70, '*': 30 } }] },
        ),
      ),
    }),
    connectionPool: dice.maybe(0.5, () => ({
      tcp: { maxConnections: dice.integer(1, 4), connectTimeout: `${dice.integer(20, 400)}ms` },
      http: given({
        http1MaxPendingRequests: dice.integer(0, 6),
        http2MaxRequests: dice.integer(1, 12),
        pendingTimeout: dice.maybe(0.4, () => `${dice.integer(1, 200)}ms`),
      }),
    })),
    outlierDetection: dice.pick<Policy['outlierDetection']>(
      undefined,
      { disabled: true },
      randomOutlierDetection(dice),
    ),
    healthCheck: dice.maybe(0.2, () => randomHealthCheck(dice)),
    retryBudget,
    timeout: dice.maybe(0.3, () => dice.pick<string | false>('80ms', '400ms', '2s', false)),
    headTimeout: dice.maybe(0.2, () => dice.pick<string | false>('60ms', '1s', false)),
    bodyIdleTimeout: dice.maybe(0.3, () => dice.pick<string | false>('40ms', '500ms', false)),
    retries: dice.maybe(0.5, () =>
      given({
        max: dice.integer(0, 4),
        perTryTimeout: dice.maybe(0.4, () => `${dice.integer(10, 80)}ms`),
        retryOn: dice.maybe(0.3, () =>
          dice.pick('5xx,reset,connect-failure', '503,retriable-4xx', 'gateway-error,refused-stream'),
        ),
        backoff: dice.maybe(0.4, () => ({ baseInterval: `${dice.integer(1, 40)}ms` })),
      }),
    ),
    circuitBreaker: dice.maybe(0.3, () => randomBreaker(dice)),
    coalesce: dice.maybe(0.2, () => true),
    hedge: dice.maybe(0.3, () => ({ maxExtraLoad: dice.pick(1, 10, 50) })),
    adaptiveConcurrency: dice.maybe(0.2, () => ({
      algorithm: dice.pick('VEGAS', 'GRADIENT2'),
      minLimit: dice.integer(1, 3),
      initialLimit: dice.integer(3, 8),
      darkMode: dice.chance(0.3),
    })),
    admissionControl: dice.maybe(0.2, () => ({
      k: dice.pick(1.1, 2, 5),
      window: dice.pick('200ms', '2s'),
      minRequestsPerSecond: dice.pick(0, 1, 5),
      maxRejectionPercent: dice.pick(0, 80, 100),
      darkMode: dice.chance(0.3),
    })),
    localRateLimit: dice.maybe(0.15, () => randomRateLimit(dice)),
    criticality: dice.maybe(0.2, () => randomCriticality(dice)),
  });
}

/** How critical calls are, by document or by call. */
export function randomCriticality(dice: Dice): Criticality {
  return dice.pick('sheddable', 'sheddable-plus', 'critical', 'critical-plus');
}

function randomRateLimit(dice: Dice): NonNullable<Policy['localRateLimit']> {
  const maxTokens = dice.integer(1, 20);
  return given({
    tokenBucket: { maxTokens, tokensPerFill: dice.integer(1, maxTokens), fillInterval: `${dice.integer(1, 500)}ms` },
    key: dice.maybe(0.3, () => ({ httpHeaderName: 'idempotency-key' })),
    darkMode: dice.chance(0.3),
  });
}

function randomBalancer(dice: Dice): Policy['loadBalancer'] {
  if (dice.chance(0.7)) {
    return given({ ...randomPlainBalancer(dice), warmup: dice.maybe(0.3, () => randomWarmup(dice)) });
  }
  return {
    consistentHash: given({
      ...dice.pick({ path: true as const }, { httpHeaderName: 'x-request-id' }, { httpCookie: { name: 'session' } }),
      ...dice.pick(
        {},
        { ringHash: { minimumRingSize: dice.integer(1, 200) } },
        { maglev: { tableSize: dice.pick(2, 5, 101) } },
      ),
      hashBalanceFactor: dice.maybe(0.5, () => dice.pick(100, 125, 200)),
    }),
  };
}

function randomOutlierDetection(dice: Dice): NonNullable<Policy['outlierDetection']> {
  const rate = () => ({ minimumHosts: 2, requestVolume: dice.integer(1, 5) });
  return given({
    consecutive5xxErrors: dice.integer(1, 3),
    consecutiveLocalOriginFailures: dice.integer(1, 3),
    successRate: dice.maybe(0.3, () => ({ ...rate(), stdevFactor: dice.pick(0.5, 1.9) })),
    failurePercentage: dice.maybe(0.3, () => ({ ...rate(), threshold: dice.pick(30, 85) })),
    latency: dice.maybe(0.3, () => ({ factor: dice.pick(1.5, 3), minimum: '20ms', requestVolume: 4 })),
    failFast: dice.maybe(0.3, () => false),
    interval: `${dice.integer(50, 500)}ms`,
    baseEjectionTime: `${dice.integer(50, 1000)}ms`,
    maxEjectionPercent: dice.pick(0, 10, 50, 100),
  });
}

function randomHealthCheck(dice: Dice): NonNullable<Policy['healthCheck']> {
  return {
    ...(dice.chance(0.5) ? { http: { path: '/healthz' } } : { tcp: {} }),
    interval: `${dice.integer(20, 500)}ms`,
    timeout: `${dice.integer(5, 100)}ms`,
    unhealthyThreshold: dice.integer(1, 3),
  };
}

function randomWarmup(dice: Dice): NonNullable<NonNullable<Policy['loadBalancer']>['warmup']> {
  return {
    duration: `${dice.integer(20, 2_000)}ms`,
    minimumPercent: dice.pick(0, 10, 100),
    aggression: dice.pick(0.5, 1, 3),
  };
}

function randomPlainBalancer(dice: Dice): Policy['loadBalancer'] {
  return dice.pick<NonNullable<Policy['loadBalancer']>>(
    { simple: dice.pick('PEAK_EWMA', 'LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM') },
    { simple: 'PEAK_EWMA' },
    { weightedRoundRobin: { blackoutPeriod: dice.pick<string | false>(false, '200ms'), weightUpdatePeriod: '100ms' } },
    given({
      prequal: given({
        poolSize: dice.maybe(0.5, () => dice.integer(2, 8)),
        probeAge: dice.maybe(0.5, () => '200ms'),
        hotQuantile: dice.maybe(0.5, () => dice.pick(0, 0.5, 1)),
      }),
    }),
  );
}

function randomBreaker(dice: Dice): NonNullable<Policy['circuitBreaker']> {
  return given({
    consecutiveErrors: dice.integer(0, 4),
    errorPercent: dice.pick(10, 30, 80),
    minRequests: dice.integer(1, 10),
    window: '1s',
    openTime: `${dice.integer(20, 800)}ms`,
    darkMode: dice.chance(0.2),
    forced: dice.maybe(0.1, () => dice.pick('OPEN', 'CLOSED')),
  });
}
