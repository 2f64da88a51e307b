/**
 * Which services are there? Those of the configuration, and those that a call has named and the registry knows. A new
 * configuration changes what differs and leaves the rest, with all it has learnt, alone.
 */
import { defaultService } from '../config/default-service.ts';
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
  /** Ends the wait for the first endpoints; ignored once it is over. */
  readonly stopWaiting: (reason: MeshError) => void;
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
  /** Services that are gone, and finish what they have. */
  private readonly closing = new Map<Service, Promise<void>>();

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

  /**
   * Puts `config` in force, all of it or nothing. `opened` holds the TLS of services that have none yet, or another.
   *
   * @throws what a part threw that was to be made; everything is as before.
   */
  replace(config: MeshConfig, opened: ReadonlyMap<ServiceConfig, ServiceTls>): void {
    const undo: (() => void)[] = [];
    const replacedTls = new Set<ServiceTls>();
    try {
      for (const [host, wanted] of config.services) {
        const entry = this.configured.get(host);
        if (entry === undefined) {
          const made = this.make(host, wanted, opened.get(wanted));
          this.configured.set(host, made);
          undo.push(() => {
            this.configured.delete(host);
            this.retire(made);
          });
        } else {
          const { config: before, tls } = entry.service;
          undo.push(() => this.update(entry, before, tls));
          this.update(entry, wanted, opened.get(wanted));
          if (tls !== undefined && tls !== entry.service.tls) replacedTls.add(tls);
        }
      }
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
    for (const tls of replacedTls) tls.close();
    this.retireOthers(config);
  }

  /** Closes what `config` does not name, and what was found and is of the configuration now. */
  private retireOthers({ services }: MeshConfig): void {
    for (const [host, entry] of this.configured) {
      if (services.has(host)) continue;
      this.configured.delete(host);
      this.retire(entry);
    }
    for (const [host, entry] of this.discovered) {
      if (!services.has(host)) continue;
      this.discovered.delete(host);
      this.retire(entry);
    }
  }

  /** The service that the registry knows as `name`; undefined when it is known not to. */
  discover(name: string): Service | undefined {
    const known = this.discovered.get(name);
    if (known !== undefined) return known.service;
    const until = this.absent.get(name);
    if (until !== undefined && this.parts.clock.now() < until) return undefined;
    if (this.discovered.size >= maxDiscovered) return undefined;
    const entry = this.make(name, defaultService(name), undefined);
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
    const entries = [...this.configured.values(), ...this.discovered.values()];
    this.configured.clear();
    this.discovered.clear();
    for (const entry of entries) this.retire(entry);
    while (this.closing.size > 0) await Promise.all(this.closing.values());
  }

  /** Breaks what is in flight. */
  async destroy(reason: Error): Promise<void> {
    await Promise.all([...this.all(), ...this.closing.keys()].map((service) => service.destroy(reason)));
  }

  private make(name: string, config: ServiceConfig, tls: ServiceTls | undefined): Entry {
    const service = new Service(config, tls, this.parts);
    const feed = new EndpointFeed(name, service, this.sources);
    const entry = { service, feed, stopWaiting: this.awaitEndpoints(service, feed) };
    try {
      feed.start(config);
    } catch (error) {
      this.retire(entry);
      throw error;
    }
    return entry;
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

  /** Closes a service that is in no map any more. */
  private retire({ service, feed, stopWaiting }: Entry): void {
    const { host } = service;
    feed.close();
    stopWaiting(new MeshError('INMESH_NO_ENDPOINT', `${host}: the service is gone`, { service: host }));
    // A host that was found may be of the configuration now, and has the same series there.
    if (!this.configured.has(host) && !this.discovered.has(host)) this.parts.metrics.remove(host);
    this.closing.set(
      service,
      service.close().finally(() => this.closing.delete(service)),
    );
  }

  /** Lets calls that come before the endpoints are known wait for them. */
  private awaitEndpoints(service: Service, feed: EndpointFeed): Entry['stopWaiting'] {
    const { clock } = this.parts;
    const { host } = service;
    let stopWaiting!: Entry['stopWaiting'];
    const waited = new Promise<void>((resolve, reject) => {
      const timer = clock.setBackgroundTimer(() => {
        const message = `${host}: no endpoints within readyTimeoutMs ${this.readyTimeoutMs}`;
        reject(new MeshError('INMESH_NO_ENDPOINT', message, { service: host }));
      }, this.readyTimeoutMs);
      stopWaiting = (reason) => {
        clock.clearTimer(timer);
        reject(reason);
      };
      void feed.known.then((isKnown) => {
        clock.clearTimer(timer);
        service.firstEndpoints = undefined;
        // A service of the configuration is one, be it without endpoints.
        if (isKnown || this.get(host) === service) resolve();
        else
          reject(new MeshError('INMESH_UNKNOWN_HOST', `${host} is not a service of the registry`, { service: host }));
      });
    });
    service.firstEndpoints = waited;
    waited.catch(() => {
      // Told to the calls that wait; there may be none.
    });
    return stopWaiting;
  }

  private forgetLater(name: string): void {
    // The oldest goes first: the cache is bounded, and a wrong guess costs one question.
    if (this.absent.size >= maxDiscovered) this.absent.delete(this.absent.keys().next().value as string);
    this.absent.set(name, this.parts.clock.now() + negativeMs);
  }
}
