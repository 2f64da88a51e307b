/**
 * How is a mesh put together? Here, in one place: registry, telemetry, certificates and connections become the parts
 * that everything else is made of. A simulation passes a clock, a randomness and connections of its own.
 */

import type { interceptors } from 'undici';
import { type Instance, isInstance } from '../balancing/subset/aperture.ts';
import type { MeshDocument } from '../config/schema.ts';
import { localityForm } from '../config/schema-locality.ts';
import { type CallOptions, callDefaults, resolveCallOptions } from '../core/call-options.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { Filter } from '../core/filter.ts';
import { once } from '../core/once.ts';
import { type Random, systemRandom } from '../core/random.ts';
import { DnsRegistry } from '../discovery/dns/dns-registry.ts';
import { LastKnown } from '../discovery/last-known.ts';
import { openRegistry } from '../discovery/open-registry.ts';
import type { Registry } from '../discovery/registry.ts';
import { SteadyRegistry } from '../discovery/steady-registry.ts';

import { MetricsRegistry } from '../telemetry/metrics-registry.ts';
import { OtelMetrics } from '../telemetry/otel-metrics.ts';
import { Propagation } from '../telemetry/propagation.ts';
import { Traces, type TracingMode } from '../telemetry/traces.ts';
import { warn } from '../telemetry/warn.ts';
import { CertificateSources } from '../tls/certificate-sources.ts';
import { EndpointPool } from '../transport/endpoint-pool.ts';
import { ActiveCalls } from './active-calls.ts';
import { breakerPart } from './breaker-part.ts';
import { Configuration } from './configuration.ts';
import { MeshEngine } from './engine.ts';
import { inboundContext } from './inbound-context.ts';
import type { Connect, FilterSource, MeshParts } from './mesh-parts.ts';

/** A store of undici's cache interceptor. */
export type CacheStore = NonNullable<interceptors.CacheInterceptorOpts['store']>;

/** Options of `createMesh`. */
export interface MeshOptions {
  /** The name of this service, for people and for telemetry. */
  service: string;
  /**
   * Where endpoints and configuration come from: `file:./mesh.yaml` (a file, several separated by commas, or a folder),
   * `consul://host:8500`, `etcd://host:2379,host2:2379`, `kubernetes:`, `dns:`, an inline document, or a {@link Registry}.
   */
  registry: string | MeshDocument | Registry;
  /**
   * Where this process is, `region/zone/subzone`, of which the end may be missing; for services with a
   * `localityLbSetting`. Default: unknown.
   */
  locality?: string;
  /**
   * Which of the processes of this service this is, and how many there are (a StatefulSet's ordinal and replicas), for
   * services with a `subsetSize`: so all their endpoints get the same load. Where they go by locality, those of our own
   * locality are counted. Default: unknown; each process then uses a random subset.
   */
  instance?: Instance;
  /**
   * A file that keeps what the registry told last, so that a process can start while its registry is down. It is written
   * within a second of a change, readable by its owner alone. Default: none.
   */
  snapshot?: string;
  /**
   * Whether SIGTERM and SIGINT drain the mesh (`mesh.drain()`) before they end the process. Default false: signals are
   * the program's.
   */
  handleSignals?: boolean;
  /**
   * Who traces. `mesh` (default): spans of calls and attempts. `defer`: attempts are left to an instrumentation of
   * undici. `off`: no spans, no trace headers.
   */
  tracing?: TracingMode;
  /** How long the first configuration, and the first endpoints of a service, are waited for, in ms. Default 5,000. */
  readyTimeoutMs?: number;
  /** What holds for every call unless a document or the call says otherwise. */
  defaults?: CallOptions;
  /**
   * Where calls with `cache` keep replies: a `MemoryCacheStore` or `SqliteCacheStore` of undici, or one of the same shape.
   * Default: a `MemoryCacheStore` of this mesh.
   */
  cacheStore?: CacheStore;
  /** The source of time. Default: that of the process. */
  clock?: Clock;
  /** The source of randomness. Default: that of the process. */
  random?: Random;
}

/** What is made further out: the cache; in simulations the way to endpoints. */
export interface EngineParts {
  readonly connect?: Connect | undefined;
  /** Made for the first call that asks for it. */
  readonly responseCache?: ((parts: { readonly clock: Clock; readonly active: Filter }) => FilterSource) | undefined;
}

/** The engine with what its owner closes. */
export interface EngineHandle {
  readonly engine: MeshEngine;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly registry: SteadyRegistry;
  /** Lets go of everything but the connections. */
  closeParts(): Promise<void>;
}

const defaultReadyTimeoutMs = 5_000;

/**
 * Makes an engine and waits for its first configuration.
 *
 * @throws MeshError `INMESH_OPTION`, `INMESH_CONFIG`, `INMESH_REGISTRY`.
 */
export async function createEngine(options: MeshOptions, own: EngineParts = {}): Promise<EngineHandle> {
  check(options);
  const defaults = resolveCallOptions(callDefaults, options.defaults ?? {});
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const driver = openRegistry(options.registry, { clock, random, service: options.service });
  const steady = (inner: Registry, path?: string) =>
    new SteadyRegistry(inner, {
      clock,
      recallAfterMs: Math.min(1_000, (options.readyTimeoutMs ?? defaultReadyTimeoutMs) / 2),
      lastKnown: new LastKnown({ path, registry: inner.name, clock, warn }),
    });
  const registry = steady(driver, options.snapshot);
  const metrics = new MetricsRegistry();
  const calls = new ActiveCalls();
  const inbound = () => inboundContext.getStore()?.propagated;
  const mode = options.tracing ?? 'mesh';
  const traces = new Traces({ mode, inbound });
  const otelMetrics = new OtelMetrics({ registry: metrics, clientDuration: mode === 'mesh' });
  const propagation = new Propagation(traces, inbound);
  const ownHost = options.service.toLowerCase();
  let dns: SteadyRegistry | undefined;
  const parts: MeshParts = {
    clock,
    random,
    metrics,
    calls,
    warn,
    certificates: new CertificateSources({ clock }),
    connect: own.connect ?? ((endpoint, config, secure) => new EndpointPool(endpoint, config.transport, clock, secure)),
    telemetry: (series) => ({ metrics: series, otelMetrics, traces, clock }),
    propagate: (attempt, headers) => propagation.apply(attempt, headers),
    breaker: breakerPart(clock),
    responseCache: cacheOf(own, { clock, active: calls.filter }),
    instance: options.instance,
    subsetSeed: once(() => Math.floor(random.next() * 2 ** 32)),
    ownHost,
    place: { locality: options.locality ?? '', callers: () => callersLike(ownHost, configuration) },
  };
  const configuration = new Configuration({
    registry,
    sources: {
      registry,
      dns: () => {
        dns ??= steady(new DnsRegistry({ clock, random }));
        return dns;
      },
    },
    parts,
    defaults,
    readyTimeoutMs: options.readyTimeoutMs ?? defaultReadyTimeoutMs,
  });
  const closeParts = async () => {
    otelMetrics.close();
    await Promise.all([registry.close(), dns?.close()]);
  };
  try {
    if (options.snapshot !== undefined) await registry.lastKnown.read();
    await configuration.open();
  } catch (error) {
    await configuration.close();
    await closeParts();
    throw error;
  }
  return { engine: new MeshEngine(configuration, clock, calls), metrics, clock, registry, closeParts };
}

function cacheOf({ responseCache }: EngineParts, parts: { readonly clock: Clock; readonly active: Filter }) {
  return responseCache && once(() => responseCache(parts));
}

/** The localities of the endpoints of our own service, where the mesh knows them. */
function callersLike(ownHost: string, configuration: Configuration): string[] {
  const own = [...configuration.services.all()].find(({ host }) => host === ownHost);
  return own === undefined ? [] : [...own.all].map(({ endpoint }) => endpoint.locality);
}

const known: readonly (keyof MeshOptions)[] = [
  'service',
  'registry',
  'locality',
  'instance',
  'snapshot',
  'handleSignals',
  'tracing',
  'readyTimeoutMs',
  'defaults',
  'cacheStore',
  'clock',
  'random',
];

function check(options: MeshOptions): void {
  const refuse = (message: string): never => {
    throw new MeshError('INMESH_OPTION', message);
  };
  for (const name of Object.keys(options)) {
    if (!(known as readonly string[]).includes(name)) refuse(`unknown option ${name}; known are ${known.join(', ')}`);
  }
  const {
    service,
    locality,
    instance,
    snapshot,
    handleSignals,
    tracing,
    readyTimeoutMs,
    defaults,
    cacheStore,
    clock,
    random,
  } = options;
  if (typeof service !== 'string' || service === '') {
    refuse(`option service is ${service === '' ? '""' : String(service)}; allowed is the name of this service`);
  }
  if (locality !== undefined && !(typeof locality === 'string' && localityForm.pattern.test(locality))) {
    refuse(`option locality is ${String(locality)}; allowed is ${localityForm.allowed}`);
  }
  if (instance !== undefined && !isInstance(instance)) {
    refuse(`option instance is ${JSON.stringify(instance)}; allowed is { index, count }, integers, 0 ≤ index < count`);
  }
  if (snapshot !== undefined && (typeof snapshot !== 'string' || snapshot === '')) {
    refuse(`option snapshot is ${snapshot === '' ? '""' : String(snapshot)}; allowed is the path of a file`);
  }
  if (handleSignals !== undefined && typeof handleSignals !== 'boolean') {
    refuse(`option handleSignals is ${String(handleSignals)}; allowed are true and false`);
  }
  if (tracing !== undefined && !['mesh', 'defer', 'off'].includes(tracing)) {
    refuse(`option tracing is ${String(tracing)}; allowed are mesh, defer, off`);
  }
  if (readyTimeoutMs !== undefined && !(typeof readyTimeoutMs === 'number' && readyTimeoutMs > 0)) {
    refuse(`option readyTimeoutMs is ${String(readyTimeoutMs)}; allowed are numbers above 0 (ms)`);
  }
  if (defaults !== undefined && (typeof defaults !== 'object' || defaults === null)) {
    refuse(`option defaults is ${String(defaults)}; allowed is an object`);
  }
  if (cacheStore !== undefined && typeof cacheStore?.createWriteStream !== 'function') {
    refuse(`option cacheStore is ${typeof cacheStore}; allowed is a cache store of undici`);
  }
  if (clock !== undefined && typeof clock?.now !== 'function') {
    refuse(`option clock is ${typeof clock}; allowed is a Clock`);
  }
  if (random !== undefined && typeof random?.next !== 'function') {
    refuse(`option random is ${typeof random}; allowed is a Random`);
  }
}
