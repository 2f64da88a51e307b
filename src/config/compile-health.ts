/**
 * How does what a document says of the health of endpoints become options? With their defaults, here.
 */
import { type WarmupOptions, warmupDefaults } from '../balancing/warmup.ts';
import {
  type HealthCheckOptions,
  type HealthRequest,
  healthCheckDefaults,
} from '../resilience/health-check/health-check-options.ts';
import {
  failurePercentageDefaults,
  type LatencyOutlierOptions,
  latencyOutlierDefaults,
  type OutlierOptions,
  outlierDefaults,
  successRateDefaults,
} from '../resilience/outlier/outlier-options.ts';
import type { CheckedDocument } from './check-document.ts';
import { ms } from './compile-call.ts';
import { parseDurationOrZero } from './duration.ts';

type Policy = NonNullable<NonNullable<CheckedDocument['services']>[number]['trafficPolicy']>;
type Outlier = NonNullable<Policy['outlierDetection']>;

/** When endpoints are ejected; undefined when they are not. */
export function compileOutlier({ outlierDetection: outlier }: Policy): OutlierOptions | undefined {
  if (outlier?.disabled) return undefined;
  const defaults = outlierDefaults;
  const baseEjectionMs = ms(outlier?.baseEjectionTime) ?? defaults.baseEjectionMs;
  return Object.freeze({
    consecutive5xxErrors: outlier?.consecutive5xxErrors ?? defaults.consecutive5xxErrors,
    consecutiveGatewayErrors: outlier?.consecutiveGatewayErrors ?? defaults.consecutiveGatewayErrors,
    consecutiveLocalOriginFailures: outlier?.consecutiveLocalOriginFailures ?? defaults.consecutiveLocalOriginFailures,
    successRate: outlier?.successRate && withDefaults(successRateDefaults, outlier.successRate),
    failurePercentage: outlier?.failurePercentage && withDefaults(failurePercentageDefaults, outlier.failurePercentage),
    latency: compileLatency(outlier?.latency),
    intervalMs: ms(outlier?.interval) ?? defaults.intervalMs,
    baseEjectionMs,
    maxEjectionMs: ms(outlier?.maxEjectionTime) ?? Math.max(baseEjectionMs, defaults.maxEjectionMs),
    maxEjectionPercent: outlier?.maxEjectionPercent ?? defaults.maxEjectionPercent,
  });
}

/** Whether an endpoint that refused a connection is avoided at once. */
export function compileFailFast({ outlierDetection: outlier }: Policy): boolean {
  return !outlier?.disabled && (outlier?.failFast ?? true);
}

/** How endpoints are asked; undefined when they are not. */
export function compileHealthCheck({ healthCheck: check }: Policy): HealthCheckOptions | undefined {
  if (check === undefined) return undefined;
  const defaults = healthCheckDefaults;
  return Object.freeze({
    http: check.http && compileHealthRequest(check.http),
    intervalMs: ms(check.interval) ?? defaults.intervalMs,
    timeoutMs: ms(check.timeout) ?? defaults.timeoutMs,
    jitterMs: (check.jitter === undefined ? undefined : parseDurationOrZero(check.jitter)) ?? defaults.jitterMs,
    healthyThreshold: check.healthyThreshold ?? defaults.healthyThreshold,
    unhealthyThreshold: check.unhealthyThreshold ?? defaults.unhealthyThreshold,
  });
}

function compileHealthRequest({
  path,
  expectedStatuses,
}: NonNullable<NonNullable<Policy['healthCheck']>['http']>): HealthRequest {
  return Object.freeze({ path, expectedStatuses: expectedStatuses && Object.freeze([...expectedStatuses]) });
}

/** How new endpoints get their share; undefined: at once. */
export function compileWarmup(warmup: NonNullable<Policy['loadBalancer']>['warmup']): WarmupOptions | undefined {
  if (warmup === undefined) return undefined;
  return Object.freeze({
    durationMs: ms(warmup.duration),
    minimumPercent: warmup.minimumPercent ?? warmupDefaults.minimumPercent,
    aggression: warmup.aggression ?? warmupDefaults.aggression,
  });
}

function compileLatency(latency: Outlier['latency']): LatencyOutlierOptions | undefined {
  if (latency === undefined) return undefined;
  const defaults = latencyOutlierDefaults;
  return Object.freeze({
    factor: latency.factor ?? defaults.factor,
    minimumMs: ms(latency.minimum) ?? defaults.minimumMs,
    requestVolume: latency.requestVolume ?? defaults.requestVolume,
  });
}

function withDefaults<T extends object>(defaults: T, given: { [K in keyof T]?: T[K] | undefined }): T {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.freeze({ ...defaults, ...Object.fromEntries(set) });
}
