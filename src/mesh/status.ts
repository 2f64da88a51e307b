/**
 * What can an operator ask a mesh? What configuration it runs on, what was wrong with the last one, and how each
 * endpoint does. Plain data, ready for JSON.
 */
import type { EngineHandle } from './create-engine.ts';
import type { UnhealthyReason } from './live-member.ts';
import type { Service } from './service.ts';

/** The answer of `mesh.status()`. */
export interface MeshStatus {
  /** The name of this service. */
  readonly service: string;
  readonly configuration: {
    readonly registry: string;
    /** The version in force; undefined when the registry has no documents. */
    readonly version: string | undefined;
    /** Why the last version was refused; empty when it is in force. */
    readonly problems: readonly string[];
    readonly warnings: readonly string[];
    /** Why the registry could not be read the last time; undefined when it was read since. */
    readonly registryError: string | undefined;
    /** When that was, in ms since the epoch; undefined with {@link registryError}. */
    readonly registryFailedAt: number | undefined;
    /** How old the snapshot is whose documents are in force, in ms; undefined when they are the registry's. */
    readonly snapshotAgeMs: number | undefined;
  };
  readonly services: readonly ServiceStatus[];
}

/** One service. */
export interface ServiceStatus {
  readonly host: string;
  readonly loadBalancer: string;
  /** Undefined when it has no breaker. */
  readonly circuitBreaker: 'closed' | 'open' | 'half-open' | undefined;
  readonly endpoints: readonly {
    readonly address: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly locality: string;
    readonly weight: number;
    readonly state: 'serving' | 'draining';
    /** False while there is something in {@link unhealthy}. */
    readonly healthy: boolean;
    /** Why it gets no calls while there are others: who says so, what exactly, and since when, in ms since the epoch. */
    readonly unhealthy: readonly { readonly reason: UnhealthyReason; readonly cause: string; readonly since: number }[];
    /** Whether calls go to it now (none do before the first call); undefined where the service has no `subsetSize`. */
    readonly inSubset: boolean | undefined;
    readonly inFlight: number;
    readonly connections: number;
  }[];
}

/** Looks at everything now. */
export function meshStatus(service: string, { engine, registry, clock }: EngineHandle): MeshStatus {
  const { configuration } = engine;
  const services = [...configuration.services.all()].map(serviceStatus);
  const { version, problems, warnings, registryError, registryFailedAt } = configuration;
  return {
    service,
    configuration: {
      registry: registry.name,
      version,
      problems,
      warnings,
      registryError: registryError?.message,
      registryFailedAt,
      snapshotAgeMs: registry.runsOnSnapshot ? clock.wallTime() - (registry.lastKnown.savedAt as number) : undefined,
    },
    services,
  };
}

function serviceStatus(one: Service): ServiceStatus {
  const { loadBalancer } = one.config;
  const subset =
    loadBalancer.subsetSize === undefined ? undefined : new Set(one.views.flatMap(({ candidates }) => candidates));
  return {
    host: one.host,
    loadBalancer: loadBalancer.name,
    circuitBreaker: one.guards.breaker?.state.state,
    endpoints: [...one.all].map((member) => ({
      address: member.key,
      labels: { ...member.endpoint.labels },
      locality: member.endpoint.locality,
      weight: member.endpoint.weight,
      state: member.endpoint.state,
      healthy: member.healthy,
      unhealthy: [...member.reasons].map(([reason, { cause, since }]) => ({ reason, cause, since })),
      inSubset: subset?.has(member),
      inFlight: member.inFlight,
      connections: member.transport.stats.connected,
    })),
  };
}
