/**
 * Which services are there? Those of the configuration, and those that a call has named and the registry knows. A new
 * configuration changes what differs and leaves the rest, with all it has learnt, alone.
 */
import { defaultService } from '../config/default-service.ts';
import type { MeshConfig, ServiceConfig } from '../config/mesh-config.ts';
import type { Timer } from '../core/clock.ts';
import type { EndpointSources } from './endpoint-feed.ts';
import type { MeshParts } from './mesh-parts.ts';
import type { Service } from './service.ts';
import { ServiceEntry } from './service-entry.ts';
import type { ServiceTls } from './service-tls.ts';

/** How long a host that the registry does not know is not asked for again. */
const negativeMs = 5_000;
/** The most hosts that are kept because a call named them. */
const maxDiscovered = 10_000;
/** Up to so many services of the configuration are woken at once, and stay awake; more are woken by their first call. */
const maxEager = 100;
/** How long a request that may pass waits for the registry to say whether it knows the host, in ms. */
const askMs = 1_000;
/** How often services are looked at whether they are used, in ms. */
const lookMs = 60_000;
/** After so many looks without a call a service is released. */
const idleLooks = 10;

/** The services of a mesh. */
export class ServiceSet {
  private readonly parts: MeshParts;
  private readonly sources: EndpointSources;
  private readonly readyTimeoutMs: number;
  private readonly configured = new Map<string, ServiceEntry>();
  private readonly found = new Map<string, ServiceEntry>();
  /** Until when hosts that nobody knows are refused without asking. */
  private readonly absent = new Map<string, number>();
  /** Services that are gone, and finish what they have. */
  private readonly closing = new Map<Service, Promise<void>>();
  /** Questions whether the registry knows a host, until they are answered. */
  private readonly asking = new Map<string, Promise<void>>();
  private lookTimer: Timer | undefined = undefined;

  constructor(parts: MeshParts, sources: EndpointSources, readyTimeoutMs: number) {
    this.parts = parts;
    this.sources = sources;
    this.readyTimeoutMs = readyTimeoutMs;
    if (sources.registry.watchEndpoints !== undefined) this.lookLater();
  }

  /** A service of the configuration. */
  get(host: string): Service | undefined {
    return this.configured.get(host)?.service;
  }

  /** A service that no document names, and that the registry knows. */
  discovered(name: string): Service | undefined {
    const entry = this.found.get(name);
    return entry?.isKnown ? entry.service : undefined;
  }

  /** The hosts of the configuration. */
  hosts(): Iterable<string> {
    return this.configured.keys();
  }

  /** All services. */
  *all(): Iterable<Service> {
    for (const { service } of this.configured.values()) yield service;
    for (const { service } of this.found.values()) yield service;
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
          if (host === this.parts.ownHost) this.callersChanged();
          undo.push(() => {
            this.configured.delete(host);
            this.retire(made);
          });
        } else {
          const { config: before, tls } = entry.service;
          undo.push(() => entry.update(before, tls));
          entry.update(wanted, opened.get(wanted));
          if (tls !== undefined && tls !== entry.service.tls) replacedTls.add(tls);
        }
      }
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
    for (const tls of replacedTls) tls.close();
    this.retireOthers(config);
    if (this.isEager) for (const entry of this.configured.values()) entry.wake();
  }

  /** Closes what `config` does not name, and what was found and is of the configuration now. */
  private retireOthers({ services }: MeshConfig): void {
    for (const [host, entry] of this.configured) {
      if (services.has(host)) continue;
      this.configured.delete(host);
      this.retire(entry);
    }
    for (const [host, entry] of this.found) {
      if (!services.has(host)) continue;
      this.found.delete(host);
      this.retire(entry);
    }
  }

  /** The service that the registry knows as `name`; undefined when it is known not to. */
  discover(name: string): Service | undefined {
    const known = this.found.get(name);
    if (known !== undefined) return known.service;
    const until = this.absent.get(name);
    if (until !== undefined && this.parts.clock.now() < until) return undefined;
    if (this.found.size >= maxDiscovered) return undefined;
    const entry = this.make(name, defaultService(name), undefined);
    this.found.set(name, entry);
    entry.wake();
    void entry.known.then((isKnown) => {
      if (!isKnown) this.giveUp(name, entry);
    });
    return entry.service;
  }

  /**
   * Asks the registry for a service that no document names.
   *
   * @returns resolves when it has answered, or has taken too long to; undefined when it has been asked.
   */
  ask(name: string): Promise<void> | undefined {
    const asking = this.asking.get(name);
    if (asking !== undefined) return asking;
    if (this.found.has(name) || this.discover(name) === undefined) return undefined;
    const entry = this.found.get(name) as ServiceEntry;
    const asked = this.answerOf(entry).then(() => {
      this.asking.delete(name);
      // It cannot be said now, and is not asked again at once: the request goes on as if there were no mesh.
      if (!entry.isKnown) this.giveUp(name, entry);
    });
    this.asking.set(name, asked);
    return asked;
  }

  private answerOf(entry: ServiceEntry): Promise<void> {
    const { clock } = this.parts;
    return new Promise((resolve) => {
      const timer = clock.setTimer(resolve, askMs);
      const answered = () => {
        clock.clearTimer(timer);
        resolve();
      };
      void entry.known.then(answered);
      entry.onFailure = answered;
    });
  }

  /** Nobody knows the service. */
  private giveUp(name: string, entry: ServiceEntry): void {
    if (this.found.get(name) !== entry) return;
    this.found.delete(name);
    this.forgetLater(name);
    this.retire(entry);
  }

  async close(): Promise<void> {
    if (this.lookTimer !== undefined) this.parts.clock.clearTimer(this.lookTimer);
    const entries = [...this.configured.values(), ...this.found.values()];
    this.configured.clear();
    this.found.clear();
    for (const entry of entries) this.retire(entry);
    while (this.closing.size > 0) await Promise.all(this.closing.values());
  }

  /** Breaks what is in flight. */
  async destroy(reason: Error): Promise<void> {
    await Promise.all([...this.all(), ...this.closing.keys()].map((service) => service.destroy(reason)));
  }

  private make(name: string, config: ServiceConfig, tls: ServiceTls | undefined): ServiceEntry {
    const { parts, sources, readyTimeoutMs } = this;
    const isConfigured = (service: Service) => this.get(service.host) === service;
    const entry = new ServiceEntry({ name, config, tls, parts, sources, readyTimeoutMs, isConfigured });
    if (name === parts.ownHost) entry.service.onEndpoints = () => this.callersChanged();
    return entry;
  }

  /** The endpoints of our own service are the callers of all others. */
  private callersChanged(): void {
    for (const service of this.all()) service.callersChanged();
  }

  /** Whether the services of the configuration need not wait for a call. */
  private get isEager(): boolean {
    return this.configured.size <= maxEager;
  }

  private lookLater(): void {
    this.lookTimer = this.parts.clock.setBackgroundTimer(() => {
      this.releaseUnused();
      this.lookLater();
    }, lookMs);
  }

  /** Nobody watches what nobody calls. */
  private releaseUnused(): void {
    for (const [host, entry] of this.found) {
      if (entry.lookForUse() < idleLooks) continue;
      this.found.delete(host);
      this.retire(entry);
    }
    if (this.isEager) return;
    for (const entry of this.configured.values()) if (entry.lookForUse() >= idleLooks) entry.sleep();
  }

  /** Closes a service that is in no map any more. */
  private retire(entry: ServiceEntry): void {
    const { service } = entry;
    const { host } = service;
    entry.close();
    if (host === this.parts.ownHost) this.callersChanged();
    // A host that was found may be of the configuration now, and has the same series there.
    if (!this.configured.has(host) && !this.found.has(host)) this.parts.metrics.remove(host);
    this.closing.set(
      service,
      service.close().finally(() => this.closing.delete(service)),
    );
  }

  private forgetLater(name: string): void {
    // The oldest goes first: the cache is bounded, and a wrong guess costs one question.
    if (this.absent.size >= maxDiscovered) this.absent.delete(this.absent.keys().next().value as string);
    this.absent.set(name, this.parts.clock.now() + negativeMs);
  }
}
