/**
 * When does a service get its endpoints? When it is woken: at the start, or by the first call where there are very many
 * services. Calls that come before the endpoints are known wait for them, within limits. A service that nobody has
 * called for long is put to sleep, and the registry is asked no more.
 */
import type { ServiceConfig } from '../config/mesh-config.ts';
import { MeshError } from '../core/errors.ts';
import { EndpointFeed, type EndpointSources } from './endpoint-feed.ts';
import type { MeshParts } from './mesh-parts.ts';
import { Service } from './service.ts';
import type { ServiceTls } from './service-tls.ts';

/** What an entry is made of. */
export interface ServiceEntryOptions {
  readonly name: string;
  readonly config: ServiceConfig;
  readonly tls: ServiceTls | undefined;
  readonly parts: MeshParts;
  readonly sources: EndpointSources;
  /** How long calls wait for the first endpoints, in ms. */
  readonly readyTimeoutMs: number;
  /** Whether it is a service of the configuration: that is one, be it without endpoints. */
  readonly isConfigured: (service: Service) => boolean;
}

const noWait = Promise.resolve();

/** A service with the feed of its endpoints. */
export class ServiceEntry {
  readonly service: Service;
  /** Whether its endpoints are known. */
  isKnown = false;
  private readonly feed: EndpointFeed;
  private readonly options: ServiceEntryOptions;
  /** The wait for the first endpoints, once it has begun. */
  private waiting: Promise<void> | undefined = undefined;
  private stopWaiting: ((reason: MeshError) => void) | undefined = undefined;
  /** Attempts at the last look, and the looks since without another. */
  private attempts = 0;
  private idleLooks = 0;

  /** @throws what a part threw that was to be made; nothing is left behind. */
  constructor(options: ServiceEntryOptions) {
    const { name, config, tls, parts, sources } = options;
    this.options = options;
    this.service = new Service(config, tls, parts);
    this.feed = new EndpointFeed(name, this.service, sources);
    this.service.onRefused = (key) => this.feed.refused(key);
    this.awaitEndpoints();
    this.feed.configure(config);
  }

  /** Resolves when the endpoints are known for the first time; to false when nobody knows the service. */
  get known(): Promise<boolean> {
    return this.feed.known;
  }

  /** Called when the registry does not answer. */
  set onFailure(listener: () => void) {
    this.feed.onFailure = listener;
  }

  /** Asks the registry for the endpoints. */
  wake(): void {
    this.feed.wake();
    this.waiting ??= this.wait();
  }

  /** Takes a new configuration of the same host. */
  update(config: ServiceConfig, tls: ServiceTls | undefined): void {
    const { service, feed } = this;
    const before = service.config;
    if (before.fingerprint !== config.fingerprint) service.reconfigure(config, tls ?? (config.tls && service.tls));
    else service.config = config;
    if (
      JSON.stringify(before.endpoints) !== JSON.stringify(config.endpoints) ||
      before.resolution !== config.resolution
    ) {
      feed.configure(config);
      this.awaitAgain(config);
    }
  }

  /** A service that is asleep may have lost the endpoints that it had without the registry. */
  private awaitAgain({ endpoints }: ServiceConfig): void {
    const { feed, service } = this;
    if (!feed.isAsleep) return;
    if (endpoints.length > 0) {
      service.firstEndpoints = () => this.wakeOnly();
      return;
    }
    feed.forget();
    this.endWait();
    this.awaitEndpoints();
  }

  /** To be called now and then: how many of these looks in a row have seen no attempt. */
  lookForUse(): number {
    const { metrics, load } = this.service;
    const { count } = metrics.attemptDuration;
    const isUsed = count !== this.attempts || load.inFlight > 0 || metrics.callsInFlight > 0;
    this.attempts = count;
    this.idleLooks = isUsed ? 0 : this.idleLooks + 1;
    return this.idleLooks;
  }

  /** Lets go of what the registry told, and asks no more until the next call. */
  sleep(): void {
    if (!this.feed.sleep()) return;
    this.idleLooks = 0;
    this.endWait();
    this.awaitEndpoints();
  }

  /** Ends the feed, and the wait of those who wait for it. */
  close(): void {
    this.feed.close();
    this.service.onRefused = undefined;
    this.feed.onFailure?.();
    this.endWait();
  }

  private endWait(): void {
    const { host } = this.service;
    // A call that comes all the same finds no members, and is told so.
    this.service.firstEndpoints = undefined;
    this.stopWaiting?.(new MeshError('INMESH_NO_ENDPOINT', `${host}: the service is gone`, { service: host }));
    this.waiting = undefined;
  }

  /** Lets calls wait until the endpoints are known. */
  private awaitEndpoints(): void {
    const { service, feed } = this;
    const { known } = feed;
    service.firstEndpoints = () => {
      this.wake();
      return this.waiting as Promise<void>;
    };
    void known.then((isKnown) => {
      if (feed.known !== known) return;
      this.isKnown = isKnown;
      // The document has named some; the registry is asked with the first call.
      service.firstEndpoints = feed.isAsleep ? () => this.wakeOnly() : undefined;
    });
  }

  private wakeOnly(): Promise<void> {
    this.service.firstEndpoints = undefined;
    this.feed.wake();
    return noWait;
  }

  private wait(): Promise<void> {
    const { parts, readyTimeoutMs, isConfigured } = this.options;
    const { clock } = parts;
    const { service, feed } = this;
    const { host } = service;
    const waited = new Promise<void>((resolve, reject) => {
      const timer = clock.setBackgroundTimer(() => {
        const message = `${host}: no endpoints within readyTimeoutMs ${readyTimeoutMs}`;
        reject(new MeshError('INMESH_NO_ENDPOINT', message, { service: host }));
      }, readyTimeoutMs);
      this.stopWaiting = (reason) => {
        clock.clearTimer(timer);
        reject(reason);
      };
      void feed.known.then((isKnown) => {
        clock.clearTimer(timer);
        if (isKnown || isConfigured(service)) resolve();
        else {
          reject(new MeshError('INMESH_UNKNOWN_HOST', `${host} is not a service of the registry`, { service: host }));
        }
      });
    });
    waited.catch(() => {
      // Told to the calls that wait; there may be none.
    });
    return waited;
  }
}
