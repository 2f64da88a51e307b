/**
 * Where do the endpoints of a service come from? From its document; from the registry, whose word wins while it knows
 * the service; or, with `resolution: DNS`, from the addresses of the names in the document.
 */
import type { ServiceConfig } from '../config/mesh-config.ts';
import { type Endpoint, endpointKey, makeEndpoint } from '../core/endpoint.ts';
import { events } from '../core/events.ts';
import type { EndpointChange, Registry, Sink, Verdict, Watch } from '../discovery/registry.ts';

/** Gets the endpoints of one service, whenever they change. */
export interface EndpointTarget {
  setEndpoints(endpoints: readonly Endpoint[]): void;
}

/** Where a feed may look. */
export interface EndpointSources {
  /** The registry of the mesh. */
  readonly registry: Registry;
  /** For `resolution: DNS`. */
  readonly dns: () => Registry;
}

const accepted: Verdict = Object.freeze({ accepted: true });

/** Keeps the endpoints of one service up to date. */
export class EndpointFeed {
  /** Resolves when the endpoints are known for the first time; to false when nobody knows the service. */
  readonly known: Promise<boolean>;
  private readonly target: EndpointTarget;
  private readonly sources: EndpointSources;
  private readonly host: string;
  private settle!: (known: boolean) => void;
  private watches: Watch[] = [];
  private fromDocument: readonly Endpoint[] = [];
  private fromRegistry: Map<string, Endpoint> | undefined = undefined;

  constructor(host: string, target: EndpointTarget, sources: EndpointSources) {
    this.host = host;
    this.target = target;
    this.sources = sources;
    this.known = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  /** Starts with the configuration of the service, or goes on with a changed one; undefined for a service without. */
  start(config: ServiceConfig | undefined): void {
    this.close();
    this.watches = [];
    this.fromDocument = config?.endpoints ?? [];
    if (config?.resolution === 'DNS') this.watchNames(config.endpoints);
    else if (this.sources.registry.watchEndpoints === undefined) this.emit();
    else {
      // What the document says holds until the registry says otherwise.
      if (this.fromDocument.length > 0) this.emit();
      this.watches.push(this.sources.registry.watchEndpoints(this.host, this.registrySink()));
    }
  }

  close(): void {
    for (const watch of this.watches) watch.close();
  }

  private emit(): void {
    this.target.setEndpoints(this.fromRegistry === undefined ? this.fromDocument : [...this.fromRegistry.values()]);
    this.settle(true);
  }

  private registrySink(): Sink<EndpointChange> {
    return {
      set: (change) => {
        if ('full' in change) {
          this.fromRegistry = new Map(change.full.map((endpoint) => [endpointKey(endpoint), endpoint]));
        } else {
          this.fromRegistry ??= new Map();
          for (const key of change.removed) this.fromRegistry.delete(key);
          for (const endpoint of change.put) this.fromRegistry.set(endpointKey(endpoint), endpoint);
        }
        this.emit();
        return accepted;
      },
      absent: () => {
        this.fromRegistry = undefined;
        if (this.fromDocument.length > 0) this.emit();
        else {
          this.target.setEndpoints([]);
          this.settle(false);
        }
      },
      failed: (error) => this.report(error),
    };
  }

  /** Each endpoint of the document stands for the addresses of its name, with its labels, locality and weight. */
  private watchNames(names: readonly Endpoint[]): void {
    const dns = this.sources.dns();
    const resolved = new Map<Endpoint, readonly Endpoint[]>();
    const update = (name: Endpoint, addresses: readonly Endpoint[]) => {
      resolved.set(
        name,
        addresses.map((address) => makeEndpoint({ ...name, host: address.host, port: address.port })),
      );
      this.target.setEndpoints([...resolved.values()].flat());
      if (addresses.length > 0 || resolved.size === names.length) this.settle(true);
    };
    if (names.length === 0) this.emit();
    for (const name of names) {
      const sink: Sink<EndpointChange> = {
        set: (change) => {
          // DNS answers are whole.
          if ('full' in change) update(name, change.full);
          return accepted;
        },
        absent: () => update(name, []),
        failed: (error) => this.report(error),
      };
      const watch = dns.watchEndpoints?.(endpointKey(name), sink);
      if (watch !== undefined) this.watches.push(watch);
    }
  }

  private report(error: Error): void {
    if (events.registryError.hasSubscribers) {
      events.registryError.publish({ registry: this.sources.registry.name, service: this.host, error });
    }
  }
}
