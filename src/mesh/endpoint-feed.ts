/**
 * Where do the endpoints of a service come from? From its document; from the registry, whose word wins while it knows
 * the service; or, with `resolution: DNS`, from the addresses of the names in the document.
 */
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { events } from '../core/events.ts';
import type { EndpointChange, Sink, Verdict } from '../discovery/registry.ts';
import type { EndpointWatch, SteadyRegistry } from '../discovery/steady-registry.ts';
import { NamedEndpoints } from './named-endpoints.ts';

/** Gets the endpoints of one service, whenever they change. */
export interface EndpointTarget {
  /** They are these. */
  setEndpoints(endpoints: readonly Endpoint[]): void;
  /** These are new or changed; those of the keys in `removed` are gone. */
  changeEndpoints(put: readonly Endpoint[], removed: readonly string[]): void;
}

/** Where a feed may look. */
export interface EndpointSources {
  /** The registry of the mesh. */
  readonly registry: SteadyRegistry;
  /** For `resolution: DNS`. */
  readonly dns: () => SteadyRegistry;
}

const accepted: Verdict = Object.freeze({ accepted: true });

/** Keeps the endpoints of one service up to date. */
export class EndpointFeed {
  /** Resolves when the endpoints are known for the first time since the last {@link sleep}; to false when nobody knows the service. */
  known!: Promise<boolean>;
  /** Called when the registry does not answer. */
  onFailure: (() => void) | undefined = undefined;
  private readonly target: EndpointTarget;
  private readonly sources: EndpointSources;
  private readonly host: string;
  private settle!: (known: boolean) => void;
  private watch: EndpointWatch | undefined = undefined;
  private names: NamedEndpoints | undefined = undefined;
  private config: Pick<ServiceConfig, 'endpoints' | 'resolution'> = { endpoints: [], resolution: 'STATIC' };
  /** Whether the endpoints are those of the registry. */
  private isFromRegistry = false;
  private closed = false;

  constructor(host: string, target: EndpointTarget, sources: EndpointSources) {
    this.host = host;
    this.target = target;
    this.sources = sources;
    this.forget();
  }

  /** Whether the registry is to be asked, and is not. */
  get isAsleep(): boolean {
    return !this.closed && this.asksRegistry && this.watch === undefined;
  }

  /** Takes the configuration of the service, or a changed one. What the document says holds until the registry speaks. */
  configure(config: Pick<ServiceConfig, 'endpoints' | 'resolution'>): void {
    const { endpoints } = config;
    const { endpoints: before } = this.config;
    this.config = config;
    if (config.resolution === 'DNS') {
      this.stopWatch();
      this.names ??= new NamedEndpoints(this.sources.dns(), {
        setEndpoints: (resolved) => this.target.setEndpoints(resolved),
        known: () => this.settle(true),
        failed: (error) => this.report(error),
      });
      this.names.watch(endpoints);
      return;
    }
    this.names?.close();
    this.names = undefined;
    if (this.isFromRegistry) return;
    if (endpoints.length > 0 || !this.asksRegistry) this.show(endpoints);
    else if (before.length > 0) this.target.setEndpoints([]);
  }

  /** Asks the registry, where there is one to be asked by name. */
  wake(): void {
    if (!this.isAsleep) return;
    try {
      this.watch = this.sources.registry.watchEndpoints?.(this.host, this.sink());
    } catch (error) {
      this.report(error as Error);
    }
  }

  /** Nothing is known until the registry says so. */
  forget(): void {
    this.known = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  /** Lets go of what the registry told, and asks no more. Answers whether it did ask. */
  sleep(): boolean {
    if (this.watch === undefined) return false;
    this.stopWatch();
    this.forget();
    const { endpoints } = this.config;
    if (endpoints.length > 0) this.show(endpoints);
    else this.target.setEndpoints([]);
    return true;
  }

  /** A connection to the endpoint of this key was refused. */
  refused(key: string): void {
    this.watch?.refused(key);
    this.names?.refused(key);
  }

  close(): void {
    this.closed = true;
    this.watch?.close();
    this.watch = undefined;
    this.names?.close();
  }

  private get asksRegistry(): boolean {
    return this.config.resolution !== 'DNS' && this.sources.registry.watchEndpoints !== undefined;
  }

  private stopWatch(): void {
    this.watch?.close();
    this.watch = undefined;
    this.isFromRegistry = false;
  }

  private show(endpoints: readonly Endpoint[]): void {
    this.target.setEndpoints(endpoints);
    this.settle(true);
  }

  private sink(): Sink<EndpointChange> {
    return {
      set: (change) => {
        this.isFromRegistry = true;
        if ('full' in change) this.show(change.full);
        else this.target.changeEndpoints(change.put, change.removed);
        return accepted;
      },
      absent: () => {
        this.isFromRegistry = false;
        const { endpoints } = this.config;
        this.target.setEndpoints(endpoints);
        this.settle(endpoints.length > 0);
      },
      failed: (error) => this.report(error),
    };
  }

  private report(error: Error): void {
    this.onFailure?.();
    if (events.registryError.hasSubscribers) {
      events.registryError.publish({ registry: this.sources.registry.name, service: this.host, error });
    }
  }
}
