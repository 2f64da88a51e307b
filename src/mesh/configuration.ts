/**
 * What is in force? The last configuration that was good. A new one is compiled, its certificates are opened, and only
 * when all of that went well the services and plans change, at once; otherwise nothing does, and the problems are
 * reported to the registry, to `mesh.status()`, on a channel and in the log.
 */
import { compile } from '../config/compile.ts';
import type { MeshConfig, ServiceConfig } from '../config/mesh-config.ts';
import type { HeaderList } from '../core/call.ts';
import type { ResolvedCallOptions } from '../core/call-options.ts';
import type { Timer } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import { events } from '../core/events.ts';
import type { RawDocument, Registry, Verdict, Watch } from '../discovery/registry.ts';
import { hostOf } from '../routing/router.ts';
import type { EndpointSources } from './endpoint-feed.ts';
import type { MeshParts } from './mesh-parts.ts';
import { Planner, type RouteBreakers } from './planner.ts';
import type { RoutePlan } from './route-plan.ts';
import { ServiceSet } from './service-set.ts';
import { ServiceTls } from './service-tls.ts';

/** What a configuration needs. */
export interface ConfigurationOptions {
  readonly registry: Registry;
  readonly sources: EndpointSources;
  readonly parts: MeshParts;
  /** What holds for calls where no document says otherwise. */
  readonly defaults: ResolvedCallOptions;
  /** How long the first configuration, and the first endpoints of a service, are waited for, in ms. */
  readonly readyTimeoutMs: number;
}

const nothing: MeshConfig = Object.freeze({ outboundMode: 'REGISTRY_ONLY', services: new Map(), routes: new Map() });

/** What the mesh runs on, and how it came to it. */
export class Configuration {
  /** The version in force, of the registry; undefined before the first. */
  version: string | undefined = undefined;
  /** What was wrong with the last version that was refused; empty when the last one is in force. */
  problems: readonly string[] = [];
  warnings: readonly string[] = [];
  readonly services: ServiceSet;
  private readonly options: ConfigurationOptions;
  private readonly breakers: RouteBreakers = new Map();
  private config: MeshConfig = nothing;
  private planner: Planner;
  private watch: Watch | undefined = undefined;
  /** Applications of configurations, one after the other. */
  private applying: Promise<unknown> = Promise.resolve();
  private newest = 0;
  private closed = false;
  private onFirst: ((verdict: Verdict) => void) | undefined = undefined;

  constructor(options: ConfigurationOptions) {
    this.options = options;
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
    let failed: Error | undefined;
    let timer: Timer | undefined;
    const first = new Promise<Verdict>((resolve, reject) => {
      timer = clock.setTimer(() => {
        const why = failed === undefined ? 'nothing came' : failed.message;
        const message = `${registry.name}: no configuration within readyTimeoutMs ${readyTimeoutMs}: ${why}`;
        reject(new MeshError('INMESH_REGISTRY', message, { cause: failed }));
      }, readyTimeoutMs);
      this.onFirst = resolve;
      this.watch = registry.watchDocuments?.({
        set: (documents, version) => this.set(documents, version),
        absent: (version) => void this.set([], version),
        failed: (error) => {
          failed = error;
          if (events.registryError.hasSubscribers) events.registryError.publish({ registry: registry.name, error });
        },
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
    // Without documents nobody says which port a service has: two ports of a host are two services.
    const name = this.options.registry.watchDocuments === undefined ? authority : hostOf(authority);
    const service = this.services.discover(name);
    return service === undefined ? undefined : this.planner.planOf(service);
  }

  private async set(documents: readonly RawDocument[], version: string): Promise<Verdict> {
    if (this.closed) return { accepted: true };
    const turn = ++this.newest;
    const compiled = compile(documents);
    const applied = this.applying.then(async () => {
      const result = await compiled;
      // A newer one has come while this one was read, or the mesh is closed.
      if (turn !== this.newest) return { accepted: true } as const;
      if (!result.ok) return this.refuse(version, result.problems);
      return this.apply(result.config, version, result.warnings);
    });
    this.applying = applied.catch(() => {});
    return applied.then((verdict) => {
      if (turn === this.newest) this.onFirst?.(verdict);
      return verdict;
    });
  }

  private async apply(config: MeshConfig, version: string, warnings: readonly string[]): Promise<Verdict> {
    const opened = new Map<ServiceConfig, ServiceTls>();
    try {
      for (const service of config.services.values()) {
        if (service.tls === undefined || this.services.keepsTls(service)) continue;
        opened.set(service, await ServiceTls.open(service.tls, this.options.parts.certificates));
      }
    } catch (error) {
      for (const tls of opened.values()) tls.close();
      return this.refuse(version, [(error as Error).message]);
    }
    this.services.replace(config, opened);
    this.config = config;
    this.planner = this.makePlanner();
    this.version = version;
    this.problems = [];
    this.warnings = warnings;
    const { registry } = this.options;
    if (events.configAccepted.hasSubscribers) events.configAccepted.publish({ registry: registry.name, version });
    return { accepted: true };
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

  private makePlanner(): Planner {
    return new Planner(this.config, this.services, this.options.parts, this.options.defaults, this.breakers);
  }
}
