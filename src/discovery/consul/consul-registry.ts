/**
 * What if the registry is Consul? Then endpoints are the instances of its services, documents are keys of its store or
 * else its configuration entries, and services can be registered at its agent.
 *
 * With several hosts each is an agent or a server of the same data centre; the next one is asked when one does not
 * answer. Whoever registers services names the agent of his own machine, and that alone.
 */
import type { Clock } from '../../core/clock.ts';
import type { Endpoint } from '../../core/endpoint.ts';
import type { Random } from '../../core/random.ts';
import { OpenWatches } from '../open-watches.ts';
import type {
  DocumentStore,
  EndpointChange,
  HealthCheck,
  RawDocument,
  Registration,
  Registry,
  Sink,
  Watch,
} from '../registry.ts';
import { type ReconnectOptions, reconnectDefaults } from '../remote/reconnect-delay.ts';
import { ConsulClient } from './consul-client.ts';
import { ConsulDocuments } from './consul-documents.ts';
import { watchConsulEndpoints } from './consul-endpoints.ts';
import type { ConsulParts } from './consul-poll.ts';
import { ConsulRegistration } from './consul-registration.ts';
import { ConsulReports } from './consul-reports.ts';
import { consulSettings } from './consul-settings.ts';
import { ConsulStore } from './consul-store.ts';

/** When the driver does what. */
export interface ConsulTimes extends ReconnectOptions {
  /** What is registered counts no more when it is not renewed for this long, in ms. Default 15,000. */
  readonly ttlMs: number;
  /** Changes of configuration entries within this time are told as one, in ms. Default 50. */
  readonly settleMs: number;
}

const consulTimes: ConsulTimes = Object.freeze({ ...reconnectDefaults, ttlMs: 15_000, settleMs: 50 });

/** How a Consul registry is made. */
export interface ConsulRegistryOptions extends Partial<ConsulTimes> {
  /** `//host:8500/prefix?…`, as `consulSettings` reads it. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks; undefined for a tool, which reports no verdicts. */
  readonly service?: string | undefined;
}

/** A registry over Consul. */
export class ConsulRegistry implements Registry {
  readonly name: string;
  readonly store: DocumentStore;
  private readonly parts: ConsulParts;
  private readonly times: ConsulTimes;
  private readonly service: string | undefined;
  private readonly watches = new OpenWatches();
  private readonly registrations = new Set<ConsulRegistration>();
  private reports: ConsulReports | undefined;
  private closing: Promise<void> | undefined;

  /** @throws MeshError `INMESH_OPTION` for an address that is none. */
  constructor({ address, clock, random, service, ...times }: ConsulRegistryOptions) {
    const client = new ConsulClient(consulSettings(address, process.env), clock);
    this.times = { ...consulTimes, ...times };
    this.name = client.settings.name;
    this.service = service;
    this.parts = { client, clock, random, backoff: this.times };
    this.store = new ConsulStore(this.parts);
  }

  watchEndpoints(service: string, sink: Sink<EndpointChange>): Watch {
    return this.watches.keep(watchConsulEndpoints(this.parts, service, sink));
  }

  watchDocuments(sink: Sink<readonly RawDocument[]>): Watch {
    const { parts, service, times } = this;
    if (service !== undefined) this.reports ??= new ConsulReports(parts, service);
    const options = { ...parts, service, reports: this.reports, settleMs: times.settleMs };
    return this.watches.keep(new ConsulDocuments(options, sink));
  }

  /**
   * Registers at the agent.
   *
   * @param endpoint its labels are metadata there, whose keys consist of letters, digits, `_` and `-`.
   * @throws MeshError `INMESH_OPTION` for a socket, a weight below 1, labels `inmesh-state` and `inmesh-locality`, a
   * health check with unknown fields, and a service with segments such as `..`; `INMESH_REGISTRY` when the agent refuses.
   */
  async register(service: string, endpoint: Endpoint, health?: HealthCheck): Promise<Registration> {
    const { ttlMs } = this.times;
    const registration = new ConsulRegistration({ ...this.parts, service, endpoint, health, ttlMs });
    this.registrations.add(registration);
    try {
      await registration.start();
    } catch (error) {
      await this.letGo(registration);
      throw error;
    }
    return {
      deregister: () => registration.deregister().finally(() => this.letGo(registration)),
    };
  }

  /** What is registered stays so, and is renewed, until it is deregistered. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    this.watches.close();
    await this.reports?.close();
    await this.closeClient();
  }

  private async letGo(registration: ConsulRegistration): Promise<void> {
    this.registrations.delete(registration);
    if (this.closing !== undefined) await this.closeClient();
  }

  private async closeClient(): Promise<void> {
    const { client } = this.parts;
    await (this.registrations.size === 0 ? client.close() : client.closeQueries());
  }
}

/**
 * Opens `consul://host:8500[,host2:8500][/prefix][?parameters]`.
 *
 * @param address what follows `consul:`.
 */
export function openConsul(address: string, parts: Omit<ConsulRegistryOptions, 'address'>): Registry {
  return new ConsulRegistry({ ...parts, address });
}
