/**
 * What are the addresses of a name, and for how long? A records, or AAAA records where there are none (Envoy's
 * V4_PREFERRED: a server with both counts once, and a container without IPv6 is not sent there), or else what the
 * system knows by other means (`/etc/hosts`).
 */
import { lookup, Resolver } from 'node:dns/promises';

/** The addresses of a name. */
export interface Resolution {
  readonly addresses: readonly string[];
  /** The shortest time to live of the records, in seconds; undefined where there are no records. */
  readonly ttlSeconds: number | undefined;
}

/** An address with its time to live in seconds, as `resolve4` and `resolve6` give it. */
export interface AddressRecord {
  readonly address: string;
  readonly ttl: number;
}

/** A service record, as `resolveSrv` gives it: without a time to live, which Node does not tell of these. */
export interface ServiceRecord {
  /** The host; empty when the service is decidedly not available (RFC 2782 writes a dot). */
  readonly name: string;
  readonly port: number;
  /** Hosts of a higher number are for when none of a lower one is left. */
  readonly priority: number;
  readonly weight: number;
}

/** What is needed of `node:dns`. Each rejects with an error that has Node's `code` (`ENOTFOUND`, `ESERVFAIL`, …). */
export interface DnsClient {
  resolve4(name: string): Promise<readonly AddressRecord[]>;
  resolve6(name: string): Promise<readonly AddressRecord[]>;
  resolveSrv(name: string): Promise<readonly ServiceRecord[]>;
  /** Of the system; without time to live. Undefined for a client of one given server. */
  readonly lookup: ((name: string) => Promise<readonly string[]>) | undefined;
  /** Ends the queries that are on their way. */
  cancel(): void;
}

/** The codes by which a server says that there are no such records; all others mean that it could not tell. */
const negativeCodes: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA']);

/** Two tries of 2 s: a dead server is known to be dead within one refresh at the shortest time to live. */
const queryOptions = { timeout: 2_000, tries: 2 };

/**
 * The client of `node:dns`.
 *
 * @param server `address` or `address:port` of the server to ask, and none else; the system's servers when undefined.
 */
export function systemDnsClient(server: string | undefined): DnsClient {
  const resolver = new Resolver(queryOptions);
  if (server !== undefined) resolver.setServers([server]);
  return {
    resolve4: (name) => resolver.resolve4(name, { ttl: true }),
    resolve6: (name) => resolver.resolve6(name, { ttl: true }),
    resolveSrv: (name) => resolver.resolveSrv(name),
    lookup: server === undefined ? lookupAll : undefined,
    cancel: () => resolver.cancel(),
  };
}

async function lookupAll(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  const preferred = found.some(({ family }) => family === 4) ? 4 : 6;
  return found.filter(({ family }) => family === preferred).map(({ address }) => address);
}

/**
 * Resolves a name.
 *
 * @returns the addresses, sorted; none when there is no such name.
 * @throws the error of the first query that could not be answered, when nothing else knows the name either.
 */
export async function resolveName(client: DnsClient, name: string): Promise<Resolution> {
  let failure: unknown;
  for (const family of ['resolve4', 'resolve6'] as const) {
    try {
      const records = await client[family](name);
      if (records.length > 0) return resolutionOf(records);
    } catch (error) {
      if (!isNegative(error)) {
        failure = error;
        break; // Not the other family: an endpoint must not change its address because a server hiccups.
      }
    }
  }
  try {
    const addresses = (await client.lookup?.(name)) ?? [];
    if (addresses.length > 0) return { addresses: [...addresses].sort(), ttlSeconds: undefined };
  } catch (error) {
    if (!isNegative(error)) failure ??= error;
  }
  if (failure !== undefined) throw failure;
  return { addresses: [], ttlSeconds: undefined };
}

function resolutionOf(records: readonly AddressRecord[]): Resolution {
  return {
    addresses: [...new Set(records.map(({ address }) => address))].sort(),
    ttlSeconds: Math.min(...records.map(({ ttl }) => ttl)),
  };
}

/** Whether a server said that there is no such record, rather than nothing. */
export function isNegative(error: unknown): boolean {
  return negativeCodes.has((error as { code?: unknown }).code);
}
