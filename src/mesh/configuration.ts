/**
 * What is in force? The last configuration that was good. A new one is compiled, its certificates are opened, and only
 * when all of that went well the services and plans change, at once; otherwise nothing does, and the problems are
 * reported to the registry, to `mesh.status()`, on a channel and in the log.
 */
import { isIP } from 'node:net';
import { type CompileResult, compile } from '../config/compile.ts';
import type { MeshConfig } from '../config/mesh-config.ts';
import type { HeaderList } from '../core/call.ts';
import type { ResolvedCallOptions } from '../core/call-options.ts';
import type { Timer } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import { events } from '../core/events.ts';
import type { RawDocument, Verdict, Watch } from '../discovery/registry.ts';
import type { SteadyRegistry } from '../discovery/steady-registry.ts';
import { hostOf } from '../routing/router.ts';
import type { EndpointSources } from './endpoint-feed.ts';
import type { MeshParts } from './mesh-parts.ts';
import { Planner } from './planner.ts';
import { RouteGuards } from './route-guards.ts';
import type { RoutePlan } from './route-plan.ts';
import { ServiceSet } from './service-set.ts';
import { openTls } from './service-tls.ts';

/** What a configuration needs. */
export interface ConfigurationOptions {
  readonly registry: SteadyRegistry;
  readonly sources: EndpointSources;
  readonly parts: MeshParts;
  /** What holds for calls where no document says otherwise. */
  readonly defaults: ResolvedCallOptions;
  /** How long the first configuration, and the first endpoints of a service, are waited for, in ms. */
  readonly readyTimeoutMs: number;
}

/** A version that compiles. */
interface Candidate {
  readonly version: string;
  readonly config: MeshConfig;
  readonly warnings: readonly string[];
}

const accepted: Verdict = Object.freeze({ accepted: true });

const nothing: MeshConfig = Object.freeze({ outboundMode: 'REGISTRY_ONLY', services: new Map(), routes: new Map() });

/** What the mesh runs on, and how it came to it. */
export class Configuration {
  /** The version in force, of the registry; undefined before the first. */
  version: string | undefined = undefined;
  /** What was wrong with the last version that was refused; empty when the last one is in force. */
  problems: readonly string[] = [];
  warnings: readonly string[] = [];
  /** Why the registry could not be read the last time; undefined when it was read since. */
  registryError: Error | undefined = undefined;
  /** When that was, of the wall clock. */
  registryFailedAt: number | undefined = undefined;
  readonly services: ServiceSet;
  private readonly options: ConfigurationOptions;
  private readonly routeGuards: RouteGuards;
  private config: MeshConfig = nothing;
  private planner: Planner;
  private watch: Watch | undefined = undefined;
  /** Applications of configurations, one after the other. */
  private applying: Promise<unknown> = Promise.resolve();
  private newest = 0;
  /** The last good version that a newer one came before; in force if that one is refused. */
  private passedOver: Candidate | undefined = undefined;
  private closed = false;
  private onFirst: ((verdict: Verdict) => void) | undefined = undefined;

  constructor(options: ConfigurationOptions) {
    this.options = options;
    this.routeGuards = new RouteGuards(options.parts);
    this.services = new ServiceSet(options.parts, options.sources, options.readyTimeoutMs);
    this.planner = this.makePlanner();
  }

  /** Whether hosts outside the registry may be called. */
  get outboundMode(): MeshConfig['outboundMode'] {
    return this.config.outboundMode;
  }

  /**
   * Starts to watch the registry, and waits for the first configuration.
   *
   * @throws MeshError `INMESH_CONFIG` when it is not good, `INMESH_REGISTRY` when none comes in time.
   */
  async open(): Promise<void> {
    const { registry, parts, readyTimeoutMs } = this.options;
    if (registry.watchDocuments === undefined) return;
    const { clock } = parts;
    let timer: Timer | undefined;
    const first = new Promise<Verdict>((resolve, reject) => {
      timer = clock.setTimer(() => {
        const { registryError: cause } = this;
        const why = cause === undefined ? 'nothing came' : cause.message;
        const message = `${registry.name}: no configuration within readyTimeoutMs ${readyTimeoutMs}: ${why}`;
        reject(new MeshError('INMESH_REGISTRY', message, { cause }));
      }, readyTimeoutMs);
      this.onFirst = resolve;
      this.watch = registry.watchDocuments?.({
        set: (documents, version) => this.set(documents, version),
        recall: (documents, version) => this.set(documents, version, true),
        absent: (version) => void this.set([], version),
        failed: (error) => this.registryFailed(error),
      });
    });
    const verdict = await first.finally(() => clock.clearTimer(timer as Timer));
    this.onFirst = undefined;
    if (!verdict.accepted) {
      throw new MeshError(
        'INMESH_CONFIG',
        `${registry.name}: the document is not valid:\n${verdict.problems.join('\n')}`,
      );
    }
  }

  /** The plan of a request to a host of the configuration. */
  plan(authority: string, method: string, path: string, headers: HeaderList): RoutePlan | 'unknown-host' | 'no-route' {
    return this.planner.plan(authority, method, path, headers);
  }

  /** Whether the registry has no documents, so that every host that it knows is a service. */
  get namesEveryService(): boolean {
    return this.options.registry.watchDocuments === undefined;
  }

  planForSubset(plan: RoutePlan, subset: string): RoutePlan {
    return this.planner.planForSubset(plan, subset);
  }

  /** The hosts of the configuration, for error messages. */
  knownHosts(): string {
    const hosts = [...this.config.services.keys()];
    if (hosts.length === 0) return 'none';
    return hosts.slice(0, 20).join(', ') + (hosts.length > 20 ? ` and ${hosts.length - 20} more` : '');
  }

  async close(): Promise<void> {
    this.watch?.close();
    this.closed = true;
    this.newest++;
    await this.applying;
    await this.services.close();
  }

  /** The plan of a host that no document names: the registry is asked once, when it can be asked by name. */
  discover(authority: string): RoutePlan | undefined {
    if (this.options.registry.watchEndpoints === undefined) return undefined;
    const service = this.services.discover(this.nameOf(authority));
    return service === undefined ? undefined : this.planner.planOf(service);
  }

  /** The plan of a host that no document names and that the registry is known to know. */
  discovered(authority: string): RoutePlan | undefined {
    const service = this.services.discovered(this.nameOf(authority));
    return service === undefined ? undefined : this.planner.planOf(service);
  }

  /** Asks the registry for a host; undefined when it has been asked, or cannot be. */
  ask(authority: string): Promise<void> | undefined {
    const host = hostOf(authority);
    if (this.options.registry.watchEndpoints === undefined || this.namesEveryService || isIP(host) !== 0)
      return undefined;
    return this.config.services.has(host) ? undefined : this.services.ask(this.nameOf(authority));
  }

  /** Without documents nobody says which port a service has: two ports of a host are two services. */
  private nameOf(authority: string): string {
    return this.namesEveryService ? authority : hostOf(authority);
  }

  private set(documents: readonly RawDocument[], version: string, isRecalled = false): Promise<Verdict> {
    if (this.closed) return Promise.resolve(accepted);
    if (!isRecalled) {
      this.registryError = undefined;
      this.registryFailedAt = undefined;
    }
    const turn = ++this.newest;
    const compiled = compile(documents);
    const judged = this.applying.then(async () => this.judge(turn, version, await compiled, isRecalled));
    this.applying = judged;
    return judged;
  }

  /** Puts a version in force when it is good and still the newest. Never rejects. */
  private async judge(turn: number, version: string, result: CompileResult, isRecalled: boolean): Promise<Verdict> {
    // A newer one has come while this one was read, or the mesh is closed.
    if (turn !== this.newest) {
      if (!result.ok) return { accepted: false, problems: result.problems };
      this.passedOver = { version, config: result.config, warnings: result.warnings };
      return accepted;
    }
    const problems = result.ok ? await this.apply({ version, ...result }) : result.problems;
    const { passedOver } = this;
    this.passedOver = undefined;
    // It is newer than what is in force, and would be that if this one had come later.
    if (problems.length > 0 && passedOver !== undefined) await this.apply(passedOver);
    const verdict = problems.length === 0 ? accepted : this.refuse(version, problems);
    // A snapshot that is not good any more is as good as none: the registry may answer yet.
    const isWaitedFor = !isRecalled || verdict.accepted;
    if (turn === this.newest && isWaitedFor) this.onFirst?.(this.version === undefined ? verdict : accepted);
    return verdict;
  }

  /** Puts a configuration in force, all of it or nothing. Answers with what is wrong; never rejects. */
  private async apply({ version, config, warnings }: Candidate): Promise<readonly string[]> {
    const { registry, parts } = this.options;
    const changed = [...config.services.values()].filter((service) => !this.services.keepsTls(service));
    const tls = await openTls(changed, parts.certificates);
    if (!tls.ok) return tls.problems;
    try {
      this.services.replace(config, tls.opened);
    } catch (error) {
      for (const opened of tls.opened.values()) opened.close();
      return [`cannot be put in force: ${(error as Error).message}`];
    }
    this.config = config;
    this.planner = this.makePlanner();
    this.version = version;
    this.problems = [];
    this.warnings = warnings;
    if (events.configAccepted.hasSubscribers) events.configAccepted.publish({ registry: registry.name, version });
    return [];
  }

  private refuse(version: string, problems: readonly string[]): Verdict {
    this.problems = problems;
    const { registry, parts } = this.options;
    parts.warn(
      `${registry.name}: version ${version} is refused, ${this.version === undefined ? 'there is no earlier one' : 'the last good one stays'}:\n${problems.join('\n')}`,
    );
    if (events.configRejected.hasSubscribers) {
      events.configRejected.publish({ registry: registry.name, version, problems });
    }
    return { accepted: false, problems };
  }

  private registryFailed(error: Error): void {
    const { registry, parts } = this.options;
    this.registryError = error;
    this.registryFailedAt = parts.clock.wallTime();
    if (events.registryError.hasSubscribers) events.registryError.publish({ registry: registry.name, error });
  }

  private makePlanner(): Planner {
    return new Planner(this.config, this.services, this.options.parts, this.options.defaults, this.routeGuards);
  }
}
