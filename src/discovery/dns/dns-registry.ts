/**
 * What if the registry is the domain name system? Then a service is `name:port`, and its endpoints are the addresses of
 * the name; or it has service records (SRV), which name ports and weights too. There are no documents.
 */
import { isIP } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { makeEndpoint, parseAddress } from '../../core/endpoint.ts';
import { MeshError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { OpenWatches } from '../open-watches.ts';
import type { EndpointChange, Registry, Sink, Watch } from '../registry.ts';
import { addressAnswer, type DnsAnswer } from './dns-answer.ts';
import { type DnsClient, systemDnsClient } from './dns-resolver.ts';
import { serviceAnswer } from './dns-srv.ts';
import { DnsTargets } from './dns-targets.ts';
import { DnsWatch, type DnsWatchOptions, dnsWatchDefaults } from './dns-watch.ts';

/** Which records are asked for. */
export const dnsRecords = ['address', 'srv'] as const;

export type DnsRecords = (typeof dnsRecords)[number];

/** How a DNS registry is made. */
export interface DnsRegistryOptions extends Partial<DnsWatchOptions> {
  /** The server to ask, `127.0.0.1:5353` or `[::1]:5353`, the port 53 when missing. Default: those of the system. */
  readonly server?: string | undefined;
  /**
   * What a name without a port is asked for: its addresses, or first its service records, as of Consul's
   * `reviews.service.consul`, and its addresses where it has none. A name that begins with `_` is always asked for
   * service records. Default `address`.
   */
  readonly records?: DnsRecords | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks; `node:dns` by default. */
  readonly client?: DnsClient;
}

/** For error messages, which never repeat what was given: it may hold a password. */
const servers = 'dns://127.0.0.1:53 or dns://[::1]:53';

/** A name without a port is one of `http://`. */
const defaultPort = 80;

/** A registry over DNS. */
export class DnsRegistry implements Registry {
  readonly name: string;
  private readonly client: DnsClient;
  private readonly records: DnsRecords;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly options: DnsWatchOptions;
  private readonly watches = new OpenWatches();

  /** @throws MeshError `INMESH_OPTION` for a server that is not an IP address with or without a port. */
  constructor({ server, records, clock, random, client, ...options }: DnsRegistryOptions) {
    if (server !== undefined && !isServer(server)) {
      throw new MeshError('INMESH_OPTION', `option registry: dns: the server is no IP address; allowed: ${servers}`);
    }
    this.records = records ?? 'address';
    this.name = `dns:${server === undefined ? '' : `//${server}`}${this.records === 'srv' ? '?records=srv' : ''}`;
    this.client = client ?? systemDnsClient(server);
    this.clock = clock;
    this.random = random;
    this.options = { ...dnsWatchDefaults, ...options };
  }

  /**
   * Watches the endpoints of a name. An IP address is its own only endpoint. `absent` for a name that does not exist.
   *
   * @param service `name:port`; port 80 when missing. Without a port `_http._tcp.name`, whose service records count.
   */
  watchEndpoints(service: string, sink: Sink<EndpointChange>): Watch {
    const watch = this.start(service, sink);
    return this.watches.keep(watch);
  }

  async close(): Promise<void> {
    this.watches.close();
    this.client.cancel();
  }

  private start(service: string, sink: Sink<EndpointChange>): Watch {
    const { clock, random, options } = this;
    const given = parseAddress(service);
    const address = given ?? parseAddress(`${service}:${defaultPort}`);
    if (address === undefined || address.socketPath !== undefined) return soon(() => sink.absent('1'));
    const { host, port } = address;
    if (isIP(host) !== 0) return soon(() => sink.set({ full: [makeEndpoint(address)] }, '1'));
    const targets = new DnsTargets(this.client, clock, options);
    const ask =
      given === undefined ? () => this.askWithoutPort(host, targets) : () => addressAnswer(this.client, host, port);
    return new DnsWatch({ name: host, sink, ask, clock, random, options });
  }

  private async askWithoutPort(host: string, targets: DnsTargets): Promise<DnsAnswer> {
    const { client, records } = this;
    const isService = host.startsWith('_');
    const answer = isService || records === 'srv' ? await serviceAnswer(client, targets, host) : undefined;
    if (answer !== undefined) return answer;
    return isService ? { endpoints: [], ttlSeconds: undefined } : addressAnswer(client, host, defaultPort);
  }
}

/** Tells something once, when the caller has got his watch. */
function soon(tell: () => void): Watch {
  let closed = false;
  queueMicrotask(() => {
    if (!closed) tell();
  });
  return {
    close: () => {
      closed = true;
    },
  };
}

function isServer(server: string): boolean {
  const address = parseAddress(server);
  return isIP(address === undefined ? server.replace(/^\[(.*)\]$/, '$1') : address.host) !== 0;
}
