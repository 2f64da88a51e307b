/**
 * What if the registry is the domain name system? Then a service is `name:port`, and its endpoints are the addresses of
 * the name. There are no documents.
 */
import { isIP } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { makeEndpoint, parseAddress } from '../core/endpoint.ts';
import { MeshError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { type DnsClient, systemDnsClient } from './dns-resolver.ts';
import { DnsWatch, type DnsWatchOptions, dnsWatchDefaults } from './dns-watch.ts';
import type { EndpointChange, Registry, Sink, Watch } from './registry.ts';

/** How a DNS registry is made. */
export interface DnsRegistryOptions extends Partial<DnsWatchOptions> {
  /** The server to ask, `127.0.0.1:5353` or `[::1]:5353`, the port 53 when missing. Default: those of the system. */
  readonly server?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks; `node:dns` by default. */
  readonly client?: DnsClient;
}

/** A name without a port is one of `http://`. */
const defaultPort = 80;

/** A registry over DNS. */
export class DnsRegistry implements Registry {
  readonly name: string;
  private readonly client: DnsClient;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly options: DnsWatchOptions;
  private readonly watches = new Set<Watch>();

  /** @throws MeshError `INMESH_OPTION` for a server that is not an IP address with or without a port. */
  constructor({ server, clock, random, client, ...options }: DnsRegistryOptions) {
    if (server !== undefined && !isServer(server)) {
      throw new MeshError('INMESH_OPTION', `option registry: DNS server ${server}; allowed: 127.0.0.1:53 or [::1]:53`);
    }
    this.name = server === undefined ? 'dns:' : `dns://${server}`;
    this.client = client ?? systemDnsClient(server);
    this.clock = clock;
    this.random = random;
    this.options = { ...dnsWatchDefaults, ...options };
  }

  /**
   * Watches the addresses of a name. An IP address is its own only endpoint. `absent` for a name that does not exist.
   *
   * @param service `name:port`; port 80 when missing.
   */
  watchEndpoints(service: string, sink: Sink<EndpointChange>): Watch {
    const watch = this.start(service, sink);
    this.watches.add(watch);
    return {
      close: () => {
        watch.close();
        this.watches.delete(watch);
      },
    };
  }

  async close(): Promise<void> {
    for (const watch of this.watches) watch.close();
    this.watches.clear();
    this.client.cancel();
  }

  private start(service: string, sink: Sink<EndpointChange>): Watch {
    const { client, clock, random, options } = this;
    const address = parseAddress(service) ?? parseAddress(`${service}:${defaultPort}`);
    if (address === undefined || address.socketPath !== undefined) return soon(() => sink.absent('1'));
    if (isIP(address.host) !== 0) return soon(() => sink.set({ full: [makeEndpoint(address)] }, '1'));
    return new DnsWatch(address.host, address.port, sink, { client, clock, random, options });
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
