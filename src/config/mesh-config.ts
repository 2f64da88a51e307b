/**
 * What does the mesh read instead of documents? This: everything decided, durations in ms, names in lower case, the
 * options of each folder as that folder declares them.
 */
import type { LoadBalancerOptions } from '../balancing/load-balancer-options.ts';
import type { LocalityOptions } from '../balancing/locality/locality-options.ts';
import type { SessionOptions } from '../balancing/session-options.ts';
import type { CallOptions, RetryOn } from '../core/call-options.ts';
import type { Endpoint, Labels } from '../core/endpoint.ts';
import type { AdmissionOptions } from '../resilience/admission/admission-control.ts';
import type { CircuitBreakerMode, CircuitBreakerOptions } from '../resilience/circuit-breaker/circuit-breaker.ts';
import type { HealthCheckOptions } from '../resilience/health-check/health-check-options.ts';
import type { HedgeOptions } from '../resilience/hedge/hedge-options.ts';
import type { AdaptiveLimitOptions } from '../resilience/limit/adaptive-limit.ts';
import type { LimitOptions } from '../resilience/limit/limit-options.ts';
import type { OutlierOptions } from '../resilience/outlier/outlier-options.ts';
import type { RateLimitOptions } from '../resilience/rate-limit/rate-limiter.ts';
import type { BackoffOptions } from '../resilience/retry/backoff.ts';
import type { RetryBudgetOptions } from '../resilience/retry/retry-budget.ts';
import type { RouteRule } from '../routing/router.ts';
import type { TlsOptions } from '../tls/tls-options.ts';
import type { TransportOptions } from '../transport/transport-options.ts';

/** What a service or a route sets for its calls. What is missing stays as it is further out. */
export interface CallOverrides {
  /** Ready for `resolveCallOptions`. */
  readonly options: Pick<
    CallOptions,
    'timeoutMs' | 'headTimeoutMs' | 'bodyIdleMs' | 'perTryTimeoutMs' | 'hedge' | 'coalesce' | 'cache' | 'criticality'
  > & {
    readonly retries?: { readonly max?: number; readonly on?: readonly RetryOn[] };
  };
  /** The waits between attempts; undefined where nothing is set. */
  readonly backoff: BackoffOptions | undefined;
}

/** The circuit breaker of a service or a route. */
export type CircuitBreakerConfig = CircuitBreakerOptions & CircuitBreakerMode;

/** A service of the documents, with all defaults. */
export interface ServiceConfig {
  /** In lower case. */
  readonly host: string;
  /** The port that a URL may name; undefined for the default port of its scheme alone. */
  readonly port: number | undefined;
  /** Of the documents; those of a registry win over them. */
  readonly endpoints: readonly Endpoint[];
  /** `DNS`: each endpoint is a name, and stands for as many endpoints as it has addresses. */
  readonly resolution: 'STATIC' | 'DNS';
  readonly subsets: ReadonlyMap<string, Labels>;
  readonly loadBalancer: LoadBalancerOptions;
  /** Undefined when localities are not looked at. */
  readonly locality: LocalityOptions | undefined;
  /** Undefined when clients may go anywhere. */
  readonly session: SessionOptions | undefined;
  readonly transport: TransportOptions;
  readonly limits: LimitOptions;
  /** Undefined when switched off. */
  readonly outlier: OutlierOptions | undefined;
  /** Whether an endpoint that refused a connection is avoided at once. */
  readonly failFast: boolean;
  /** Undefined when its endpoints are not asked. */
  readonly healthCheck: HealthCheckOptions | undefined;
  readonly retryBudget: RetryBudgetOptions;
  /** Undefined for cleartext. */
  readonly tls: TlsOptions | undefined;
  /** Undefined when there is none. */
  readonly circuitBreaker: CircuitBreakerConfig | undefined;
  /** Undefined when there is none. */
  readonly rateLimit: RateLimitOptions | undefined;
  /** Undefined when there is none. */
  readonly admission: AdmissionOptions | undefined;
  /** Undefined when its calls are not hedged unless they ask for it. */
  readonly hedge: HedgeOptions | undefined;
  /** Undefined when there is none. */
  readonly adaptiveLimit: AdaptiveLimitOptions | undefined;
  readonly call: CallOverrides;
  /** Equal for two configurations that differ in their endpoints at most. */
  readonly fingerprint: string;
}

/** A rule of a route, with what it sets for its calls. */
export interface RouteConfig extends RouteRule {
  readonly circuitBreaker: CircuitBreakerConfig | undefined;
  readonly rateLimit: RateLimitOptions | undefined;
  readonly call: CallOverrides;
  /** Equal for two rules that say the same. */
  readonly fingerprint: string;
}

/** All documents of a mesh together. Immutable. */
export interface MeshConfig {
  /** Whether hosts that are no service may be called. */
  readonly outboundMode: 'REGISTRY_ONLY' | 'ALLOW_ANY';
  /** By host. */
  readonly services: ReadonlyMap<string, ServiceConfig>;
  /** The rules of each host that has some, in order. A host need not be a service. */
  readonly routes: ReadonlyMap<string, readonly RouteConfig[]>;
}
