/**
 * What does a program hold? A {@link Mesh}: the adapters over one engine. A view of it (`mesh.with`) is the same mesh
 * with overrides.
 */
import type { Dispatcher } from 'undici';
import { type CallOptions, callDefaults, resolveCallOptions } from '../core/call-options.ts';
import { MeshError } from '../core/errors.ts';
import { systemRandom } from '../core/random.ts';
import { createEngine, type EngineHandle, type EngineParts, type MeshOptions } from '../mesh/create-engine.ts';
import { Overrides } from '../mesh/overrides.ts';
import { type MeshStatus, meshStatus } from '../mesh/status.ts';
import { attachPrometheus, type PrometheusRegistry } from '../telemetry/prometheus-exporter.ts';
import { type CommandContext, Commands } from './command.ts';
import type { CommandOptions } from './command-options.ts';
import { MeshDispatcher } from './dispatcher.ts';
import { type MeshFetch, makeFetch } from './fetch.ts';
import { type InboundMiddleware, inboundMiddleware } from './inbound.ts';
import { type InstallOptions, install } from './install.ts';
import { type MeshRequest, makeRequest } from './request.ts';

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
  /** Middleware for node:http, Express and Fastify: nested calls inherit deadline, trace context and request id. */
  inbound(): InboundMiddleware;
  /** Sends every fetch of the process into the mesh. Returns what undoes it. */
  install(options?: InstallOptions): () => void;
  readonly metrics: {
    /** Exports all metrics to a registry of prom-client or a compatible one. Returns what removes them again. */
    attach(registry: PrometheusRegistry): () => void;
  };
  /** What is in force, and how each endpoint does. */
  status(): MeshStatus;
  /**
   * Refuses new calls and commands, waits for those under way (at most `timeoutMs`, default 30,000), and lets go of everything.
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
  const handle = await createEngine(options, parts);
  const { engine, metrics, clock } = handle;
  const commands = new Commands(clock, options.random ?? systemRandom, metrics);
  let closing: Promise<void> | undefined;
  const uninstalls = new Set<() => void>();
  return {
    ...makeView<S>(handle, undefined),
    service: options.service,
    command: (name, run, commandOptions) => commands.run(name, run, commandOptions ?? {}),
    inbound: () => inboundMiddleware(clock),
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
    close: (closeOptions) => {
      closing ??= close(handle, commands, uninstalls, closeOptions?.timeoutMs ?? 30_000);
      return closing;
    },
  };
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
