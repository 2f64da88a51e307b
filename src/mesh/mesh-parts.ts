/**
 * What do all services of a mesh share? These parts, made once by the engine and passed down; a simulation replaces
 * clock, random and the way to connect, and the rest is the real mesh.
 */
import type { OwnPlace } from '../balancing/locality/locality-groups.ts';
import type { Instance } from '../balancing/subset/aperture.ts';
import type { CircuitBreakerConfig, ServiceConfig } from '../config/mesh-config.ts';
import type { Clock } from '../core/clock.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { Filter } from '../core/filter.ts';
import type { Random } from '../core/random.ts';
import type { BreakerState } from '../resilience/circuit-breaker/circuit-breaker.ts';
import type { TelemetryFilterOptions } from '../telemetry/call-telemetry-filter.ts';
import type { MetricsRegistry } from '../telemetry/metrics-registry.ts';
import type { ServiceMetrics } from '../telemetry/service-metrics.ts';
import type { CertificateSources } from '../tls/certificate-sources.ts';
import type { SecureTransport, Transport } from '../transport/endpoint-pool.ts';
import type { ActiveCalls } from './active-calls.ts';
import type { Propagate } from './headers-filter.ts';

/** Makes the connections to an endpoint. */
export type Connect = (endpoint: Endpoint, config: ServiceConfig, secure: SecureTransport | undefined) => Transport;

/** Makes filters that share something. */
export interface FilterSource {
  /** @param scope what they share is apart for each; empty for a service as a whole. */
  filter(scope: string): Filter;
}

/** A breaker with its filter. */
export interface BreakerPart {
  readonly state: { readonly state: BreakerState };
  /** Undefined when it is forced closed. */
  readonly filter: Filter | undefined;
  /** Whether calls are refused now; in dark mode they never are. */
  readonly refuses: () => boolean;
}

/** What services and plans are made of. */
export interface MeshParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly connect: Connect;
  /** The calls under way. */
  readonly calls: ActiveCalls;
  readonly certificates: CertificateSources;
  readonly metrics: MetricsRegistry;
  readonly telemetry: (metrics: ServiceMetrics) => Omit<TelemetryFilterOptions, 'secure'>;
  /** Reports a condition that an operator has to mend. */
  readonly warn: (message: string) => void;
  readonly propagate: Propagate;
  /** The host of our own service, in lower case: its endpoints are the callers like us. */
  readonly ownHost: string;
  /** Where this process is. */
  readonly place: OwnPlace;
  /** Which of the processes like us this is; undefined where nobody says. */
  readonly instance: Instance | undefined;
  /** For random subsets: another one in each process, the same for all services. */
  readonly subsetSeed: () => number;
  /** Undefined where nobody gave one. */
  readonly responseCache: (() => FilterSource) | undefined;
  readonly breaker: (
    service: string,
    route: string | undefined,
    options: CircuitBreakerConfig,
    metrics: ServiceMetrics,
  ) => BreakerPart;
}
