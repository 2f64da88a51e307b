/** What do the address records of a name make? An endpoint for each address, all of the port that the caller knows. */
import { type Endpoint, makeEndpoint } from '../../core/endpoint.ts';
import { type DnsClient, resolveName } from './dns-resolver.ts';

/** What a name stands for. */
export interface DnsAnswer {
  /** None when there is no such name. */
  readonly endpoints: readonly Endpoint[];
  /** How long that counts, in seconds; undefined where nothing says so. */
  readonly ttlSeconds: number | undefined;
  /** Why some of it is what was known before, or missing; undefined when all is known. */
  readonly failure?: unknown;
}

/**
 * The addresses of `host`, with `port`.
 *
 * @throws the error of the first query that could not be answered.
 */
export async function addressAnswer(client: DnsClient, host: string, port: number): Promise<DnsAnswer> {
  const { addresses, ttlSeconds } = await resolveName(client, host);
  return { endpoints: addresses.map((address) => makeEndpoint({ host: address, port })), ttlSeconds };
}
