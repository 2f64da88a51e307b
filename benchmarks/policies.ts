/**
 * What is on while the cost of a call is measured? Limits are such that nobody meets them.
 */
import type { MeshDocument } from '../src/index.ts';

/** How a service is used. */
export type Policy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

/** A service that was configured with some care. */
export const usual: Policy = {
  loadBalancer: { simple: 'PEAK_EWMA' },
  outlierDetection: { consecutive5xxErrors: 5 },
  retryBudget: { percent: 20, minRetriesPerSecond: 10 },
  circuitBreaker: { errorPercent: 50 },
  timeout: '10s',
  retries: { max: 2, perTryTimeout: '5s' },
};

/** What can be added to it, each by itself. */
export const features: Readonly<Record<string, Policy>> = {
  'ejection by rates': { outlierDetection: { successRate: {}, failurePercentage: {} } },
  'ejection by latency': { outlierDetection: { latency: {} } },
  'health check': { healthCheck: { tcp: {} } },
  'warm-up and locality': { loadBalancer: { warmup: { duration: '10s' }, localityLbSetting: {} } },
  'pending timeout': { connectionPool: { http: { pendingTimeout: '1s' } } },
  hedge: { hedge: { maxExtraLoad: 1 } },
  'adaptive limit': { adaptiveConcurrency: { initialLimit: 500, minLimit: 500 } },
  'admission control': { admissionControl: {} },
  'rate limit': {
    localRateLimit: { tokenBucket: { maxTokens: 1_000_000, tokensPerFill: 1_000_000, fillInterval: '1s' } },
  },
};

/** Everything that watches, limits or decides. */
export const everything: Policy = {
  ...Object.assign({}, usual, ...Object.values(features)),
  outlierDetection: { consecutive5xxErrors: 5, successRate: {}, failurePercentage: {}, latency: {} },
  loadBalancer: { simple: 'PEAK_EWMA', warmup: { duration: '10s' }, localityLbSetting: {} },
};
