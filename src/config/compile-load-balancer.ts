/**
 * How does the load balancer of a document become options? By its name, be it said or not, and the options of those that
 * have some.
 */
import { type HashOptions, type HashSource, hashDefaults } from '../balancing/hash-options.ts';
import {
  type BalancerName,
  type LoadBalancerOptions,
  loadBalancerDefaults,
} from '../balancing/load-balancer-options.ts';
import { type PrequalOptions, prequalDefaults } from '../balancing/prequal-options.ts';
import type { SessionOptions } from '../balancing/session-options.ts';
import {
  type WeightedRoundRobinOptions,
  weightedRoundRobinDefaults,
} from '../balancing/weighted-round-robin-options.ts';
import type { CheckedDocument } from './check-document.ts';
import { ms } from './compile-call.ts';
import { compileWarmup } from './compile-health.ts';

type CheckedService = NonNullable<CheckedDocument['services']>[number];
type Given = NonNullable<NonNullable<CheckedService['trafficPolicy']>['loadBalancer']>;
type GivenHash = NonNullable<Given['consistentHash']>;

/** The options of a load balancer. */
export function compileLoadBalancer(given: Given = {}): LoadBalancerOptions {
  const { consistentHash, weightedRoundRobin, prequal, panicThreshold, subsetSize } = given;
  return Object.freeze({
    name: nameOf(given),
    panicThresholdPercent: panicThreshold ?? loadBalancerDefaults.panicThresholdPercent,
    warmup: compileWarmup(given.warmup),
    subsetSize: subsetSize ?? loadBalancerDefaults.subsetSize,
    hash: consistentHash === undefined ? loadBalancerDefaults.hash : compileHash(consistentHash),
    weightedRoundRobin:
      weightedRoundRobin === undefined
        ? loadBalancerDefaults.weightedRoundRobin
        : compileWeightedRoundRobin(weightedRoundRobin),
    prequal: prequal === undefined ? loadBalancerDefaults.prequal : compilePrequal(prequal),
  });
}

function nameOf({ simple, consistentHash, weightedRoundRobin, prequal }: Given): BalancerName {
  if (consistentHash !== undefined) return consistentHash.maglev === undefined ? 'RING_HASH' : 'MAGLEV';
  if (weightedRoundRobin !== undefined) return 'WEIGHTED_ROUND_ROBIN';
  return prequal === undefined ? (simple ?? loadBalancerDefaults.name) : 'PREQUAL';
}

function compileWeightedRoundRobin(given: NonNullable<Given['weightedRoundRobin']>): WeightedRoundRobinOptions {
  const { blackoutPeriod, weightExpirationPeriod, weightUpdatePeriod, errorUtilizationPenalty } = given;
  const defaults = weightedRoundRobinDefaults;
  return Object.freeze({
    blackoutMs: blackoutPeriod === false ? 0 : (ms(blackoutPeriod) ?? defaults.blackoutMs),
    expiryMs: ms(weightExpirationPeriod) ?? defaults.expiryMs,
    updateMs: ms(weightUpdatePeriod) ?? defaults.updateMs,
    errorPenalty: errorUtilizationPenalty ?? defaults.errorPenalty,
  });
}

function compilePrequal({ poolSize, probeAge, hotQuantile }: NonNullable<Given['prequal']>): PrequalOptions {
  return Object.freeze({
    poolSize: poolSize ?? prequalDefaults.poolSize,
    probeAgeMs: ms(probeAge) ?? prequalDefaults.probeAgeMs,
    hotQuantile: hotQuantile ?? prequalDefaults.hotQuantile,
  });
}

/** Undefined when clients may go anywhere. */
export function compileSession({ sessionAffinity }: Given = {}): SessionOptions | undefined {
  if (sessionAffinity === undefined) return undefined;
  const { name, path, ttl } = sessionAffinity.cookie;
  return Object.freeze({
    cookieName: name,
    path: path ?? '/',
    maxAgeSeconds: ttl === undefined ? undefined : Math.max(1, Math.round(ms(ttl) / 1_000)),
  });
}

function compileHash(given: GivenHash): HashOptions {
  return Object.freeze({
    source: compileSource(given),
    minimumRingSize: given.ringHash?.minimumRingSize ?? hashDefaults.minimumRingSize,
    tableSize: given.maglev?.tableSize ?? hashDefaults.tableSize,
    balanceFactorPercent: given.hashBalanceFactor ?? hashDefaults.balanceFactorPercent,
  });
}

function compileSource({ httpHeaderName, httpCookie, httpQueryParameterName }: GivenHash): HashSource {
  if (httpHeaderName !== undefined) return Object.freeze({ header: httpHeaderName.toLowerCase() });
  if (httpCookie !== undefined) return Object.freeze({ cookie: httpCookie.name });
  if (httpQueryParameterName !== undefined) return Object.freeze({ queryParameter: httpQueryParameterName });
  return 'path';
}
