/**
 * What does a program hold? A {@link Mesh}: the adapters over one engine. A view of it (`mesh.with`) is the same mesh
 * with overrides.
 */
import type { Dispatcher } from 'undici';
import { type CallOptions, callDefaults, resolveCallOptions } from '../core/call-options.ts';
import type { Clock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import { once } from '../core/once.ts';
import { systemRandom } from '../core/random.ts';
import type { Registration } from '../discovery/registry.ts';
import { createEngine, type EngineHandle, type EngineParts, type MeshOptions } from '../mesh/create-engine.ts';
import { Overrides } from '../mesh/overrides.ts';
import { type RegisterOptions, Registrations } from '../mesh/registrations.ts';
import { type MeshStatus, meshStatus } from '../mesh/status.ts';
import { attachPrometheus, type PrometheusRegistry } from '../telemetry/prometheus-exporter.ts';
import { warn } from '../telemetry/warn.ts';
import { type CommandContext, Commands } from './command.ts';
import type { CommandOptions } from './command-options.ts';
import { MeshDispatcher } from './dispatcher.ts';
import { drainOnSignals } from './drain-on-signals.ts';
import { type MeshFetch, makeFetch } from './fetch.ts';
import { type InboundMiddleware, type InboundOptions, inboundMiddleware } from './inbound.ts';
import { InboundShedding } from './inbound-shedding.ts';
import { type InstallOptions, install } from './install.ts';
import { OwnLoad } from './own-load.ts';
import { type MeshRequest, makeRequest } from './request.ts';
import { ResponseCache } from './response-cache.ts';
import { ServedRequests } from './served-requests.ts';

/** What `fetch` of every supported Node takes as `dispatcher`. */
type FetchDispatcher = Dispatcher & NonNullable<RequestInit extends { dispatcher?: infer D } ? D : never>;

/** Ways to send a request, with overrides. */
export interface MeshView<S extends string = string> {
  /** `fetch` into the mesh. */
  readonly fetch: MeshFetch<S>;
  /** undici's `request` into the mesh: the fast lane. */
  readonly request: MeshRequest<S>;
  /** For anything that takes an undici dispatcher; neither follows redirects nor decompresses. */
  readonly dispatcher: FetchDispatcher;
  /** A view with `overrides` laid over those of this one. */
  with(overrides: CallOptions): MeshView<S>;
}

/** A mesh. `S` are the names of the services it may call, when they are to be checked by the compiler. */
export interface Mesh<S extends string = string> extends MeshView<S> {
  /** The name of this service. */
  readonly service: string;
  /**
   * Guards any async function with deadline, retry (only when idempotent), breaker, limit and fallback.
   *
   * Rejects with a `MeshError` (`INMESH_CLOSED` once the mesh is closed), or with what `run` rejects with.
   */
  command<T>(name: string, run: (context: CommandContext) => T | Promise<T>, options?: CommandOptions<T>): Promise<T>;
  /**
   * Middleware for node:http, Express and Fastify: nested calls inherit deadline, criticality, trace context and request
   * id. The criticality (`x-request-criticality`) is believed: where strangers call, let a gateway drop it.
   *
   * @throws MeshError `INMESH_OPTION` for an option outside its range.
   */
  inbound(options?: InboundOptions): InboundMiddleware;
  /** Sends every fetch of the process into the mesh. Returns what undoes it. */
  install(options?: InstallOptions): () => void;
  readonly metrics: {
    /** Exports all metrics to a registry of prom-client or a compatible one. Returns what removes them again. */
    attach(registry: PrometheusRegistry): () => void;
  };
  /** What is in force, and how each endpoint does. */
  status(): MeshStatus;
  /**
   * Registers this process with the registry (Consul, etcd), and keeps it registered until it is deregistered or the
   * mesh drains or closes.
   *
   * Rejects with a `MeshError`: `INMESH_OPTION`, `INMESH_REGISTRY`, or `INMESH_UNSUPPORTED` where nothing can be registered
   * (file, inline document, DNS, Kubernetes).
   */
  register(options: RegisterOptions): Promise<Registration>;
  /**
   * Takes this process out of service without losing a request: deregisters it; waits until that has got about
   * (`propagationMs`, default 2,000; not when nothing was registered); lets the requests that `mesh.inbound()` has seen
   * finish, and then closes as {@link Mesh.close} does, both within `timeoutMs`. A second call returns the promise of the first.
   */
  drain(options?: { propagationMs?: number; timeoutMs?: number }): Promise<void>;
  /**
   * Deregisters what is registered, refuses new calls and commands, waits for those under way (at most `timeoutMs`, default 30,000), and lets go of everything.
   * A second call returns the promise of the first.
   */
  close(options?: { timeoutMs?: number }): Promise<void>;
}

/**
 * Opens a mesh, and waits for its first configuration.
 *
 * @throws MeshError `INMESH_OPTION` for an option outside its range, `INMESH_CONFIG` with every problem of a document
 * that is not valid, `INMESH_REGISTRY` when the registry gives none within `readyTimeoutMs`.
 */
export async function createMesh<S extends string = string>(options: MeshOptions): Promise<Mesh<S>> {
  return assembleMesh<S>(options);
}

/** As {@link createMesh}, with other connections; for `inmesh/testing`. */
export async function assembleMesh<S extends string>(options: MeshOptions, parts?: EngineParts): Promise<Mesh<S>> {
  requireOptions(options);
  const responseCache: EngineParts['responseCache'] = (cacheParts) =>
    new ResponseCache({ store: options.cacheStore, ...cacheParts });
  const handle = await createEngine(options, { responseCache, ...parts });
  const { engine, metrics, clock } = handle;
  let closing: Promise<void> | undefined;
  const uninstalls = new Set<() => void>();
  const registrations = new Registrations(handle.registry, options.service, clock, warn);
  const served = new ServedRequests();
  const random = options.random ?? systemRandom;
  const shedding = new InboundShedding({ clock, random, served, counter: metrics.shed });
  const ownLoad = once(() => new OwnLoad(clock, served));
  const commands = new Commands(clock, random, metrics);
  let draining: Promise<void> | undefined;
  const closeOnce = (timeoutMs: number) => {
    // Calls go on until the others know that this process goes; where nobody has to be told, they end here.
    const deregistered = registrations.close();
    shedding.close();
    const finish = () => close(handle, commands, uninstalls, timeoutMs);
    closing ??= deregistered === undefined ? finish() : deregistered.then(finish);
    return closing;
  };
  const mesh: Mesh<S> = {
    ...makeView<S>(handle, undefined),
    service: options.service,
    command: (name, run, commandOptions) => commands.run(name, run, commandOptions ?? {}),
    inbound: (inboundOptions = {}) => {
      checkInbound(inboundOptions);
      const { shed, reportLoad } = inboundOptions;
      return inboundMiddleware(
        clock,
        served,
        shed === undefined ? undefined : shedding.open(shed),
        reportLoad ? ownLoad() : undefined,
      );
    },
    register: (registerOptions) =>
      registrations.register(
        options.locality === undefined ? registerOptions : { locality: options.locality, ...registerOptions },
      ),
    install: (installOptions) => {
      const uninstall = install(engine, installOptions ?? {});
      const undo = () => {
        uninstalls.delete(undo);
        uninstall();
      };
      uninstalls.add(undo);
      return undo;
    },
    metrics: { attach: (registry) => attachPrometheus(metrics, registry) },
    status: () => meshStatus(options.service, handle),
    drain: (drainOptions) => {
      const { propagationMs = 2_000, timeoutMs = 30_000 } = drainOptions ?? {};
      for (const [name, value] of Object.entries({ propagationMs, timeoutMs })) requireDuration(name, value);
      draining ??= drain({ registrations, served, clock, propagationMs, timeoutMs, close: closeOnce });
      return draining;
    },
    close: (closeOptions) => {
      const timeoutMs = closeOptions?.timeoutMs ?? 30_000;
      requireDuration('timeoutMs', timeoutMs);
      return closeOnce(timeoutMs);
    },
  };
  if (options.handleSignals === true) uninstalls.add(drainOnSignals(() => mesh.drain()));
  return mesh;
}

function checkInbound(options: InboundOptions): void {
  requireOptions(options);
  const unknown = Object.keys(options).find((name) => name !== 'shed' && name !== 'reportLoad');
  if (unknown !== undefined) {
    throw new MeshError('INMESH_OPTION', `unknown option ${unknown}; known are shed, reportLoad`);
  }
  const { reportLoad } = options;
  if (reportLoad !== undefined && typeof reportLoad !== 'boolean') {
    throw new MeshError('INMESH_OPTION', `option reportLoad is ${String(reportLoad)}; allowed are true and false`);
  }
}

function makeView<S extends string>(handle: EngineHandle, view: Overrides | undefined): MeshView<S> {
  const { engine, clock } = handle;
  let dispatcher: MeshDispatcher | undefined;
  return {
    // At run time a URL is a string; the names of services are for the compiler.
    fetch: makeFetch(engine, clock, view) as unknown as MeshFetch<S>,
    request: makeRequest(engine, clock, view) as unknown as MeshRequest<S>,
    get dispatcher() {
      dispatcher ??= new MeshDispatcher(engine, view);
      return dispatcher as unknown as FetchDispatcher;
    },
    with(overrides) {
      requireOptions(overrides);
      // Wrong options are told now, not at the first call.
      resolveCallOptions(callDefaults, overrides);
      return makeView(handle, view === undefined ? new Overrides(overrides) : view.and(overrides));
    },
  };
}

function requireOptions(options: unknown): void {
  if (typeof options === 'object' && options !== null) return;
  throw new MeshError('INMESH_OPTION', `the options are ${String(options)}; allowed is an object`);
}

function requireDuration(name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return;
  throw new MeshError('INMESH_OPTION', `option ${name} is ${String(value)}; allowed are numbers from 0 (ms)`);
}

interface Draining {
  readonly registrations: Registrations;
  readonly served: ServedRequests;
  readonly clock: Clock;
  readonly propagationMs: number;
  readonly timeoutMs: number;
  readonly close: (timeoutMs: number) => Promise<void>;
}

async function drain({ registrations, served, clock, propagationMs, timeoutMs, close }: Draining): Promise<void> {
  const deregistered = registrations.close();
  await deregistered;
  if (deregistered !== undefined) await new Promise<void>((resolve) => clock.setTimer(resolve, propagationMs));
  const startedAt = clock.now();
  await new Promise<void>((resolve) => {
    const timer = clock.setTimer(resolve, timeoutMs);
    void served.idle().then(() => {
      clock.clearTimer(timer);
      resolve();
    });
  });
  await close(Math.max(0, timeoutMs - (clock.now() - startedAt)));
}

async function close(
  handle: EngineHandle,
  commands: Commands,
  uninstalls: Set<() => void>,
  timeoutMs: number,
): Promise<void> {
  const { engine, clock } = handle;
  for (const uninstall of [...uninstalls]) uninstall();
  const reason = new MeshError('INMESH_CLOSED', `the mesh was closed, and the call was not over after ${timeoutMs} ms`);
  await new Promise<void>((resolve) => {
    const timer = clock.setTimer(() => {
      // Before its connection breaks, so that it is not repeated.
      engine.cancelAll(reason);
      commands.cancelAll(reason);
      resolve();
    }, timeoutMs);
    void Promise.all([engine.drain(), commands.drain()]).then(() => {
      clock.clearTimer(timer);
      resolve();
    });
  });
  // No call is left; what a cancelled one still waits for (a connection that nobody answers) is not waited for.
  await engine.configuration.services.destroy(reason);
  await engine.configuration.close();
  await handle.closeParts();
}
