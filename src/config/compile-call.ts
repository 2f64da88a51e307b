/**
 * How do the limits in time and the retries of a document become options? Here, the same way for a service and a route.
 */
import type { RetryOn } from '../core/call-options.ts';
import { circuitBreakerDefaults, circuitBreakerModeDefaults } from '../resilience/circuit-breaker/circuit-breaker.ts';
import { type BackoffOptions, backoffDefaults } from '../resilience/retry/backoff.ts';
import type { CheckedDocument } from './check-document.ts';
import { parseDuration } from './duration.ts';
import type { CallOverrides, CircuitBreakerConfig } from './mesh-config.ts';
import { retryOnParts } from './schema-policy.ts';

/** What a service's traffic policy and a route's rule have in common. */
export type CallPolicy = Pick<
  NonNullable<CheckedDocument['routes']>[number]['http'][number],
  | 'timeout'
  | 'headTimeout'
  | 'bodyIdleTimeout'
  | 'retries'
  | 'coalesce'
  | 'cache'
  | 'circuitBreaker'
  | 'localRateLimit'
  | 'criticality'
>;

type Retries = NonNullable<CallPolicy['retries']>;

/** The ms of a duration that has been checked. */
export function ms(duration: string): number;
export function ms(duration: string | undefined): number | undefined;
export function ms(duration: string | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration);
}

/** The options that a policy sets for calls. */
export function compileCall(policy: CallPolicy): CallOverrides {
  const { timeout, headTimeout, bodyIdleTimeout, retries, coalesce, cache, criticality } = policy;
  const options = defined({
    timeoutMs: timeout === false ? timeout : ms(timeout),
    headTimeoutMs: headTimeout === false ? headTimeout : ms(headTimeout),
    bodyIdleMs: bodyIdleTimeout === false ? bodyIdleTimeout : ms(bodyIdleTimeout),
    perTryTimeoutMs: ms(retries?.perTryTimeout),
    retries: compileRetries(retries),
    coalesce,
    cache,
    criticality,
  });
  return Object.freeze({ options, backoff: compileBackoff(retries?.backoff) });
}

function compileRetries(retries: Retries | undefined) {
  const max = retries?.max ?? retries?.attempts;
  const on = retries?.retryOn === undefined ? undefined : Object.freeze(retryOnParts(retries.retryOn) as RetryOn[]);
  return max === undefined && on === undefined ? undefined : defined({ max, on });
}

/** Half a backoff is completed in proportion to the default one. */
function compileBackoff(backoff: Retries['backoff']): BackoffOptions | undefined {
  if (backoff === undefined) return undefined;
  const longestMs = ms(backoff.maxInterval);
  const baseMs = ms(backoff.baseInterval) ?? Math.min(backoffDefaults.baseMs, longestMs ?? Number.POSITIVE_INFINITY);
  const factor = backoffDefaults.maxMs / backoffDefaults.baseMs;
  return Object.freeze({ baseMs, maxMs: longestMs ?? factor * baseMs });
}

/** The breaker of a policy; a policy without one has none. */
export function compileBreaker({ circuitBreaker: breaker }: CallPolicy): CircuitBreakerConfig | undefined {
  if (breaker === undefined) return undefined;
  const defaults = circuitBreakerDefaults;
  return Object.freeze({
    consecutiveErrors: breaker.consecutiveErrors ?? defaults.consecutiveErrors,
    errorPercent: breaker.errorPercent ?? defaults.errorPercent,
    minRequests: breaker.minRequests ?? defaults.minRequests,
    windowMs: ms(breaker.window) ?? defaults.windowMs,
    openMs: ms(breaker.openTime) ?? defaults.openMs,
    darkMode: breaker.darkMode ?? circuitBreakerModeDefaults.darkMode,
    forced: breaker.forced,
  });
}

/** A frozen object of the fields that are not undefined. */
function defined<T extends object>(fields: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.freeze(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))) as {
    readonly [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
