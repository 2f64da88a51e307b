/**
 * What if the registry is etcd? Then endpoints and documents are keys, a change is told within milliseconds, and what a
 * process registers ends with it:
 *
 * - `<prefix>/endpoints/<service>/<address>`, see {@link import('./etcd-endpoints.ts').EtcdEndpoints};
 * - `<prefix>/documents/<name>`, and what is kept beside them, see {@link import('../remote/kept-text.ts')}.
 *
 * It is asked through the JSON gateway of etcd 3.4 and later.
 */
import type { Clock } from '../../core/clock.ts';
import type { Endpoint } from '../../core/endpoint.ts';
import { MeshError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { OpenWatches } from '../open-watches.ts';
import type { DocumentStore, EndpointChange, RawDocument, Registration, Registry, Sink, Watch } from '../registry.ts';
import { defaultPrefix } from '../remote/kept-text.ts';
import { flag, parseRegistryAddress, type RegistryAddress } from '../remote/registry-address.ts';
import type { RegistryTls } from '../remote/registry-connector.ts';
import { RequestLimit } from '../remote/request-limit.ts';
import { EtcdClient } from './etcd-client.ts';
import { documentsPrefix, EtcdDocuments } from './etcd-documents.ts';
import { EtcdEndpoints, endpointsPrefix } from './etcd-endpoints.ts';
import { EtcdGateway } from './etcd-gateway.ts';
import { EtcdRegistration } from './etcd-registration.ts';
import { EtcdReporter } from './etcd-reporter.ts';
import { EtcdStore } from './etcd-store.ts';
import { EtcdStreams, type EtcdStreamsOptions, etcdStreamsDefaults } from './etcd-streams.ts';
import { type PrefixSink, PrefixWatch, type PrefixWatchParts } from './etcd-watch.ts';

/** How an etcd registry is made. */
export interface EtcdRegistryOptions extends Partial<EtcdStreamsOptions> {
  /** `//[user:password@]host:2379[,host2:2379…][/prefix][?tls=true&ca=…&cert=…&key=…&serverName=…]`. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks; undefined for a tool, which reports no verdicts. */
  readonly service?: string | undefined;
}

const form = {
  scheme: 'etcd',
  defaultPort: 2379,
  parameters: ['tls', 'ca', 'cert', 'key', 'serverName'],
  example: 'etcd://user:password@host:2379,host2:2379/prefix?tls=true&ca=/path',
} as const;

/** What is registered is looked after within this time, in ms, when etcd is back; at random, as all do it then. */
const renewWithinMs = 500;

/** So many prefixes are read at once; others wait. */
const readsAtOnce = 4;

/** A registry over etcd. */
export class EtcdRegistry implements Registry {
  readonly name: string;
  readonly store: DocumentStore;
  private readonly prefix: string;
  private readonly service: string | undefined;
  private readonly gateway: EtcdGateway;
  private readonly parts: PrefixWatchParts;
  private readonly watches = new OpenWatches();
  private readonly reporters = new Set<EtcdReporter>();
  private readonly registrations = new Set<EtcdRegistration>();
  private closing: Promise<void> | undefined;

  /** @throws MeshError `INMESH_OPTION` for an address that is none. */
  constructor({ address, clock, random, service, ...streams }: EtcdRegistryOptions) {
    const parsed = parseRegistryAddress(address, form);
    const { hosts, path, user, password } = parsed;
    if ((user === undefined) !== (password === undefined)) {
      throw new MeshError('INMESH_OPTION', 'option registry: etcd: a user without a password, or the other way round');
    }
    if (/\p{Cc}/u.test(path)) {
      throw new MeshError('INMESH_OPTION', 'option registry: etcd: a control character in the prefix');
    }
    this.prefix = path === '' ? defaultPrefix : path;
    this.name = `etcd://${hosts.join(',')}/${this.prefix}`;
    this.service = service;
    this.gateway = new EtcdGateway({ name: this.name, hosts, tls: tlsOf(parsed), user, password, clock });
    const client = new EtcdClient(this.gateway);
    const options = { ...etcdStreamsDefaults, ...streams };
    this.parts = {
      client,
      streams: new EtcdStreams({ source: client, clock, random, options, isBack: () => this.renew() }),
      reads: new RequestLimit(readsAtOnce),
      clock,
      random,
    };
    this.store = new EtcdStore({ client, clock, prefix: this.prefix });
  }

  watchEndpoints(service: string, sink: Sink<EndpointChange>): Watch {
    const prefix = endpointsPrefix(this.prefix, service);
    return this.watch(prefix, new EtcdEndpoints(this.name, prefix, sink));
  }

  /** Documents are named `etcd://127.0.0.1:2379/inmesh/documents/mesh`. The verdict is reported, for a service. */
  watchDocuments(sink: Sink<readonly RawDocument[]>): Watch {
    const prefix = documentsPrefix(this.prefix);
    const origin = this.name.slice(0, -this.prefix.length);
    const reporter = this.makeReporter();
    const watch = this.watch(prefix, new EtcdDocuments({ origin, reporter, sink }));
    return {
      close: () => {
        watch.close();
        void this.closeReporter(reporter);
      },
    };
  }

  /**
   * Registers an endpoint until it is deregistered, or ten seconds after the process has ended. Its health is not asked
   * for: etcd asks nobody, and a process that runs renews it.
   *
   * @throws MeshError `INMESH_REGISTRY` when etcd does not answer the first time, or refuses.
   */
  async register(service: string, endpoint: Endpoint): Promise<Registration> {
    const { client, clock, random } = this.parts;
    const { prefix } = this;
    const registration = new EtcdRegistration({ client, clock, random, prefix, service, endpoint });
    await registration.start();
    this.registrations.add(registration);
    return {
      deregister: async () => {
        try {
          await registration.deregister();
        } finally {
          this.registrations.delete(registration);
          if (this.closing !== undefined) await this.closeGateway();
        }
      },
    };
  }

  /** What is registered stays so, and is renewed, until it is deregistered. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    this.watches.close();
    this.parts.streams.close();
    await Promise.all([...this.reporters].map((reporter) => this.closeReporter(reporter)));
    await this.closeGateway();
  }

  private async closeGateway(): Promise<void> {
    await (this.registrations.size === 0 ? this.gateway.close() : this.gateway.closeStreams());
  }

  private makeReporter(): EtcdReporter | undefined {
    const { service, prefix } = this;
    if (service === undefined) return undefined;
    const { client, clock, random } = this.parts;
    const reporter = new EtcdReporter({ client, clock, random, prefix, service });
    this.reporters.add(reporter);
    return reporter;
  }

  private async closeReporter(reporter: EtcdReporter | undefined): Promise<void> {
    if (reporter === undefined) return;
    await reporter.close();
    this.reporters.delete(reporter);
  }

  /** An etcd that came back may have lost what was registered. */
  private renew(): void {
    const { random } = this.parts;
    for (const registration of this.registrations) registration.renewWithin(renewWithinMs * random.next());
  }

  private watch(prefix: string, sink: PrefixSink): Watch {
    const watch = new PrefixWatch(prefix, sink, this.parts);
    if (this.closing !== undefined) {
      watch.close();
      const error = new MeshError('INMESH_CLOSED', `${this.name}: ${prefix}: the registry is closed`);
      queueMicrotask(() => sink.failed(error));
      return watch;
    }
    return this.watches.keep(watch);
  }
}

/**
 * Opens `etcd://[user:password@]host:2379[,host2:2379…][/prefix][?parameters]`.
 *
 * @param address what follows `etcd:`.
 */
export function openEtcd(address: string, parts: Omit<EtcdRegistryOptions, 'address'>): Registry {
  return new EtcdRegistry({ ...parts, address });
}

/** A certificate without TLS would be a connection in cleartext that its owner takes for another. */
function tlsOf(address: RegistryAddress): RegistryTls | undefined {
  const { parameters } = address;
  if (flag(address, 'tls', false)) {
    const [ca, cert, key, serverName] = ['ca', 'cert', 'key', 'serverName'].map((name) => parameters.get(name));
    return { ca, cert, key, serverName };
  }
  const extra = [...parameters.keys()].find((name) => name !== 'tls');
  if (extra === undefined) return undefined;
  throw new MeshError('INMESH_OPTION', `option registry: etcd: parameter ${extra} without tls=true`);
}
