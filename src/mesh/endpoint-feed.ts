/**
 * Where do the endpoints of a service come from? From its document; from the registry, whose word wins while it knows
 * the service; or, with `resolution: DNS`, from the addresses of the names in the document.
 */
import type { ServiceConfig } from '../config/mesh-config.ts';
import { type Endpoint, endpointKey, makeEndpoint } from '../core/endpoint.ts';
import { MeshError } from '../core/errors.ts';
import { events } from '../core/events.ts';
import { readEndpoints } from '../discovery/read-endpoints.ts';
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
  /** What the names of the document stand for, by `name:port`. */
  private resolved: ReadonlyMap<string, readonly Endpoint[]> = new Map();

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
    const { registry } = this.sources;
    if (config?.resolution === 'DNS') this.watchNames(config.endpoints);
    else if (registry.watchEndpoints === undefined) this.emit();
    else {
      // What the document says holds until the registry says otherwise.
      if (this.fromDocument.length > 0) this.emit();
      this.watch(registry, this.host, this.registrySink());
    }
  }

  close(): void {
    for (const watch of this.watches) watch.close();
  }

  private emit(): void {
    this.target.setEndpoints(this.fromRegistry === undefined ? this.fromDocument : [...this.fromRegistry.values()]);
    this.settle(true);
  }

  /** Sinks promise to ignore what comes after the end of their watch. */
  private watch(registry: Registry, name: string, sink: Sink<EndpointChange>): void {
    let closed = false;
    const watch = registry.watchEndpoints?.(name, {
      set: (change, version) => (closed ? accepted : sink.set(change, version)),
      absent: (version) => closed || sink.absent(version),
      failed: (error) => closed || sink.failed(error),
    });
    this.watches.push({
      close() {
        closed = true;
        watch?.close();
      },
    });
  }

  private registrySink(): Sink<EndpointChange> {
    return {
      set: (change) => {
        const read = readEndpoints('full' in change ? change.full : change.put);
        if (!read.ok) {
          const message = `${this.host}: ${read.problems.join('; ')}`;
          this.report(new MeshError('INMESH_REGISTRY', message, { service: this.host }));
          return { accepted: false, problems: read.problems };
        }
        const endpoints = 'full' in change ? new Map<string, Endpoint>() : new Map(this.fromRegistry);
        if ('put' in change) for (const key of change.removed) endpoints.delete(key);
        for (const endpoint of read.endpoints) endpoints.set(endpointKey(endpoint), endpoint);
        this.fromRegistry = endpoints;
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
    const before = this.resolved;
    const resolved = new Map<string, readonly Endpoint[]>();
    this.resolved = resolved;
    const tell = () => {
      const addresses = names.flatMap((name) =>
        (resolved.get(endpointKey(name)) ?? []).map(({ host, port }) => makeEndpoint({ ...name, host, port })),
      );
      this.target.setEndpoints(addresses);
      if (addresses.length > 0 || resolved.size === names.length) this.settle(true);
    };
    for (const name of names) {
      const key = endpointKey(name);
      const known = before.get(key);
      if (known !== undefined) resolved.set(key, known);
    }
    // Names that stay keep their addresses; without any of them the former endpoints stay until the first answer.
    if (resolved.size > 0 || names.length === 0) tell();
    for (const name of names) {
      const key = endpointKey(name);
      const update = (addresses: readonly Endpoint[]) => {
        resolved.set(key, addresses);
        tell();
      };
      this.watch(dns, key, {
        set: (change) => {
          // DNS answers are whole.
          if ('full' in change) update(change.full);
          return accepted;
        },
        absent: () => update([]),
        failed: (error) => this.report(error),
      });
    }
  }

  private report(error: Error): void {
    if (events.registryError.hasSubscribers) {
      events.registryError.publish({ registry: this.sources.registry.name, service: this.host, error });
    }
  }
}
