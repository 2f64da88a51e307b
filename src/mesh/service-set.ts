/**
 * Which services are there? Those of the configuration, and those that a call has named and the registry knows. A new
 * configuration changes what differs and leaves the rest, with all it has learnt, alone.
 */
import type { MeshConfig, ServiceConfig } from '../config/mesh-config.ts';
import { MeshError } from '../core/errors.ts';
import { EndpointFeed, type EndpointSources } from './endpoint-feed.ts';
import type { MeshParts } from './mesh-parts.ts';
import { Service } from './service.ts';
import type { ServiceTls } from './service-tls.ts';

/** How long a host that the registry does not know is not asked for again. */
const negativeMs = 5_000;
/** The most hosts that are kept because a call named them. */
const maxDiscovered = 1_000;

interface Entry {
  readonly service: Service;
  readonly feed: EndpointFeed;
}

/** The services of a mesh. */
export class ServiceSet {
  private readonly parts: MeshParts;
  private readonly sources: EndpointSources;
  private readonly readyTimeoutMs: number;
  private readonly configured = new Map<string, Entry>();
  private readonly discovered = new Map<string, Entry>();
  /** Until when hosts that nobody knows are refused without asking. */
  private readonly absent = new Map<string, number>();
  private readonly closing = new Set<Promise<void>>();

  constructor(parts: MeshParts, sources: EndpointSources, readyTimeoutMs: number) {
    this.parts = parts;
    this.sources = sources;
    this.readyTimeoutMs = readyTimeoutMs;
  }

  /** A service of the configuration. */
  get(host: string): Service | undefined {
    return this.configured.get(host)?.service;
  }

  /** The hosts of the configuration. */
  hosts(): Iterable<string> {
    return this.configured.keys();
  }

  /** All services. */
  *all(): Iterable<Service> {
    for (const { service } of this.configured.values()) yield service;
    for (const { service } of this.discovered.values()) yield service;
  }

  /** Whether the service that is there has the TLS that `config` asks for. */
  keepsTls(config: ServiceConfig): boolean {
    const before = this.get(config.host)?.config.tls;
    return before !== undefined && JSON.stringify(before) === JSON.stringify(config.tls);
  }

  /** Puts `config` in force. `opened` holds the TLS of services that have none yet, or another. */
  replace(config: MeshConfig, opened: ReadonlyMap<ServiceConfig, ServiceTls>): void {
    for (const [host, entry] of this.configured) {
      if (config.services.has(host)) continue;
      this.configured.delete(host);
      this.retire(entry);
    }
    for (const [host, wanted] of config.services) {
      const entry = this.configured.get(host);
      if (entry === undefined) this.configured.set(host, this.make(host, wanted, opened.get(wanted)));
      else this.update(entry, wanted, opened.get(wanted));
      // It is of the configuration now.
      const found = this.discovered.get(host);
      if (found !== undefined) this.retire(found);
      this.discovered.delete(host);
    }
  }

  /** The service that the registry knows as `name`; undefined when it is known not to. */
  discover(name: string, config: ServiceConfig): Service | undefined {
    const known = this.discovered.get(name);
    if (known !== undefined) return known.service;
    const until = this.absent.get(name);
    if (until !== undefined && this.parts.clock.now() < until) return undefined;
    if (this.discovered.size >= maxDiscovered) return undefined;
    const entry = this.make(name, config, undefined);
    this.discovered.set(name, entry);
    void entry.feed.known.then((isKnown) => {
      if (isKnown || this.discovered.get(name) !== entry) return;
      this.discovered.delete(name);
      this.forgetLater(name);
      this.retire(entry);
    });
    return entry.service;
  }

  async close(): Promise<void> {
    for (const entry of [...this.configured.values(), ...this.discovered.values()]) this.retire(entry);
    this.configured.clear();
    this.discovered.clear();
    while (this.closing.size > 0) await Promise.all(this.closing);
  }

  /** Breaks what is in flight. */
  async destroy(reason: Error): Promise<void> {
    await Promise.all([...this.all()].map((service) => service.destroy(reason)));
  }

  private make(name: string, config: ServiceConfig, tls: ServiceTls | undefined): Entry {
    const service = new Service(config, tls, this.parts);
    const feed = new EndpointFeed(name, service, this.sources);
    service.firstEndpoints = this.firstEndpoints(service, feed);
    feed.start(config);
    return { service, feed };
  }

  private update({ service, feed }: Entry, config: ServiceConfig, tls: ServiceTls | undefined): void {
    const before = service.config;
    if (before.fingerprint !== config.fingerprint) service.reconfigure(config, tls ?? (config.tls && service.tls));
    else service.config = config;
    if (
      JSON.stringify(before.endpoints) !== JSON.stringify(config.endpoints) ||
      before.resolution !== config.resolution
    ) {
      feed.start(config);
    }
  }

  private retire({ service, feed }: Entry): void {
    feed.close();
    this.parts.metrics.remove(service.host);
    const closed: Promise<void> = service.close().finally(() => this.closing.delete(closed));
    this.closing.add(closed);
  }

  /** What calls wait for that come before the endpoints are known. */
  private firstEndpoints(service: Service, feed: EndpointFeed): Promise<void> {
    const { clock } = this.parts;
    const { host } = service;
    const waited = new Promise<void>((resolve, reject) => {
      const timer = clock.setBackgroundTimer(() => {
        const message = `${host}: no endpoints within readyTimeoutMs ${this.readyTimeoutMs}`;
        reject(new MeshError('INMESH_NO_ENDPOINT', message, { service: host }));
      }, this.readyTimeoutMs);
      void feed.known.then((isKnown) => {
        clock.clearTimer(timer);
        service.firstEndpoints = undefined;
        if (isKnown) resolve();
        else
          reject(new MeshError('INMESH_UNKNOWN_HOST', `${host} is not a service of the registry`, { service: host }));
      });
    });
    waited.catch(() => {
      // Told to the calls that wait; there may be none.
    });
    return waited;
  }

  private forgetLater(name: string): void {
    // The oldest goes first: the cache is bounded, and a wrong guess costs one question.
    if (this.absent.size >= maxDiscovered) this.absent.delete(this.absent.keys().next().value as string);
    this.absent.set(name, this.parts.clock.now() + negativeMs);
  }
}
