/**
 * How does a service of a document become options of the folders that serve it? With their defaults, here.
 */
import { type Endpoint, type Labels, makeEndpoint, parseAddress } from '../core/endpoint.ts';
import { type HedgeOptions, hedgeDefaults } from '../resilience/hedge/hedge-options.ts';
import { type AdaptiveLimitOptions, adaptiveLimitDefaults } from '../resilience/limit/adaptive-limit.ts';
import { type LimitOptions, limitDefaults } from '../resilience/limit/limit-options.ts';
import { type RetryBudgetOptions, retryBudgetDefaults } from '../resilience/retry/retry-budget.ts';
import type { TlsOptions } from '../tls/tls-options.ts';
import { type TransportOptions, transportDefaults } from '../transport/transport-options.ts';
import type { CheckedDocument } from './check-document.ts';
import { compileBreaker, compileCall, ms } from './compile-call.ts';
import { compileFailFast, compileHealthCheck, compileOutlier } from './compile-health.ts';
import { compileLoadBalancer, compileSession } from './compile-load-balancer.ts';
import { compileLocality } from './compile-locality.ts';
import { compileAdmission, compileRateLimit } from './compile-overload.ts';
import { fingerprint } from './fingerprint.ts';
import type { CallOverrides, ServiceConfig } from './mesh-config.ts';

/** A service that has the form of the schema. */
export type CheckedService = NonNullable<CheckedDocument['services']>[number];

type Policy = NonNullable<CheckedService['trafficPolicy']>;

/** Streams on one HTTP/2 connection: the least that RFC 9113 (6.5.2) recommends to allow, and what most servers do. */
const streamsPerConnection = 100;

/** Compiles a service without problems. */
export function compileService(service: CheckedService): ServiceConfig {
  const policy = service.trafficPolicy ?? {};
  const subsets = (service.subsets ?? []).map(({ name, labels }) => [name, compileLabels(labels)] as const);
  const shape = {
    host: service.host.toLowerCase(),
    port: service.port,
    resolution: service.resolution ?? 'STATIC',
    subsets: new Map(subsets),
    loadBalancer: compileLoadBalancer(policy.loadBalancer),
    locality: compileLocality(policy),
    session: compileSession(policy.loadBalancer),
    transport: compileTransport(policy),
    limits: compileLimits(policy),
    outlier: compileOutlier(policy),
    failFast: compileFailFast(policy),
    healthCheck: compileHealthCheck(policy),
    retryBudget: compileRetryBudget(policy),
    tls: compileTls(service, policy),
    circuitBreaker: compileBreaker(policy),
    rateLimit: compileRateLimit(policy),
    admission: compileAdmission(policy),
    adaptiveLimit: compileAdaptiveLimit(policy),
    hedge: compileHedge(policy),
    call: withHedge(compileCall(policy), policy),
  };
  const endpoints = Object.freeze((service.endpoints ?? []).map(compileEndpoint));
  return Object.freeze({ ...shape, endpoints, fingerprint: fingerprint(shape) });
}

function compileEndpoint(endpoint: NonNullable<CheckedService['endpoints']>[number]): Endpoint {
  return makeEndpoint({
    ...parseAddress(endpoint.address)!,
    labels: compileLabels(endpoint.labels ?? {}),
    locality: endpoint.locality ?? '',
    weight: endpoint.weight ?? 1,
  });
}

/** Labels are looked up by names from documents, so they inherit nothing. */
function compileLabels(labels: Record<string, string>): Labels {
  return Object.freeze(Object.assign(Object.create(null), labels));
}

function compileTransport({ connectionPool }: Policy): TransportOptions {
  const { tcp, http } = connectionPool ?? {};
  return Object.freeze({
    connections: tcp?.maxConnections ?? transportDefaults.connections,
    connectTimeoutMs: ms(tcp?.connectTimeout) ?? transportDefaults.connectTimeoutMs,
    idleTimeoutMs: ms(tcp?.idleTimeout) ?? transportDefaults.idleTimeoutMs,
    minIdleConnections: tcp?.minIdleConnections ?? transportDefaults.minIdleConnections,
    maxRequestsPerConnection: http?.maxRequestsPerConnection ?? transportDefaults.maxRequestsPerConnection,
    h2: http?.h2UpgradePolicy === undefined ? transportDefaults.h2 : http.h2UpgradePolicy === 'UPGRADE',
  });
}

/** An endpoint takes as many requests as its connections carry, so that nothing queues inside the transport. */
function compileLimits(policy: Policy): LimitOptions {
  const { connections, h2 } = compileTransport(policy);
  const http = policy.connectionPool?.http;
  return Object.freeze({
    maxRequestsPerEndpoint: h2 ? streamsPerConnection * connections : connections,
    maxRequests: http?.http2MaxRequests ?? limitDefaults.maxRequests,
    maxPending: http?.http1MaxPendingRequests ?? limitDefaults.maxPending,
    maxPendingMs: ms(http?.pendingTimeout) ?? limitDefaults.maxPendingMs,
  });
}

function compileHedge({ hedge }: Policy): HedgeOptions | undefined {
  return hedge && Object.freeze({ maxExtraLoadPercent: hedge.maxExtraLoad ?? hedgeDefaults.maxExtraLoadPercent });
}

/** A service that may be hedged is. */
function withHedge(call: CallOverrides, { hedge }: Policy): CallOverrides {
  return hedge === undefined ? call : { ...call, options: { ...call.options, hedge: true } };
}

function compileAdaptiveLimit({ adaptiveConcurrency: given }: Policy): AdaptiveLimitOptions | undefined {
  if (given === undefined) return undefined;
  const defaults = adaptiveLimitDefaults;
  const { algorithm, initialLimit, minLimit, maxLimit, darkMode } = given;
  const least = minLimit ?? Math.min(defaults.minLimit, maxLimit ?? defaults.minLimit);
  const most = maxLimit ?? Math.max(defaults.maxLimit, least);
  return Object.freeze({
    algorithm: algorithm ?? defaults.algorithm,
    initialLimit: initialLimit ?? Math.min(most, Math.max(least, defaults.initialLimit)),
    minLimit: least,
    maxLimit: most,
    darkMode: darkMode ?? defaults.darkMode,
  });
}

function compileRetryBudget({ retryBudget }: Policy): RetryBudgetOptions {
  return Object.freeze({
    percent: retryBudget?.percent ?? retryBudgetDefaults.percent,
    minRetriesPerSecond: retryBudget?.minRetriesPerSecond ?? retryBudgetDefaults.minRetriesPerSecond,
  });
}

function compileTls(service: CheckedService, { tls }: Policy): TlsOptions | undefined {
  if (tls === undefined || tls.mode === 'DISABLE') return undefined;
  return Object.freeze({
    mode: tls.mode,
    caCertificates: tls.caCertificates,
    clientCertificate: tls.clientCertificate,
    privateKey: tls.privateKey,
    sni: tls.sni,
    subjectAltNames: Object.freeze([...(tls.subjectAltNames ?? service.subjectAltNames ?? [])]),
  });
}
