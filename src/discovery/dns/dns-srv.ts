/**
 * What do service records (RFC 2782) make? For each target, endpoints at its addresses, with the port and the weight of
 * the record. Records of a higher priority number stand by: their endpoints have weight 0, which calls go to only when
 * nobody else is left.
 */
import { type Endpoint, endpointKey, makeEndpoint } from '../../core/endpoint.ts';
import type { DnsAnswer } from './dns-answer.ts';
import { type DnsClient, isNegative, type ServiceRecord } from './dns-resolver.ts';
import type { DnsTargets } from './dns-targets.ts';

/** More targets than an answer over TCP can hold, 64 KiB at some 20 bytes each, are none of a server. */
const maxRecords = 4_096;

/** Node does not tell the time to live of service records: they count as long as the shortest that is honoured. */
const ttlSeconds = 0;

/**
 * The endpoints that the service records of a name make; undefined when it has no such records. A target that has no
 * address is left out; one that cannot be asked for has those that it had.
 *
 * @param targets of this name.
 * @throws the error of a query that could not be answered, when that leaves no endpoint.
 */
export async function serviceAnswer(
  client: DnsClient,
  targets: DnsTargets,
  name: string,
): Promise<DnsAnswer | undefined> {
  const records = await recordsOf(client, name);
  if (records.length === 0) return undefined;
  const hosts = [...new Set(records.map((record) => record.name))].filter((host) => !isNone(host));
  const { resolved, failure } = await targets.resolve(hosts);
  const endpoints = endpointsOf(records, resolved);
  if (endpoints.length === 0 && failure !== undefined) throw failure;
  return { endpoints, ttlSeconds, failure };
}

async function recordsOf(client: DnsClient, name: string): Promise<readonly ServiceRecord[]> {
  try {
    const records = await client.resolveSrv(name);
    return [...records].sort((a, b) => a.priority - b.priority).slice(0, maxRecords);
  } catch (error) {
    if (isNegative(error)) return [];
    throw error;
  }
}

/** Whether a target says that the service is not available. */
function isNone(target: string): boolean {
  return target === '' || target === '.';
}

/** @param records of the lowest priority number first. */
function endpointsOf(
  records: readonly ServiceRecord[],
  resolved: ReadonlyMap<string, readonly string[]>,
): readonly Endpoint[] {
  const usable = records.filter(({ name }) => (resolved.get(name) ?? []).length > 0);
  // A standby takes over when those before it do not resolve.
  const first = usable[0]?.priority;
  const hasPriorities = records[0]?.priority !== records.at(-1)?.priority;
  const found = new Map<string, Endpoint>();
  for (const { name, port, priority, weight } of usable) {
    const labels = hasPriorities ? { priority: String(priority) } : {};
    for (const host of resolved.get(name) ?? []) {
      const key = endpointKey({ host, port });
      // RFC 2782 gives a weight of 0 a very small share, not none; where all are 0 they are equal.
      const share = priority === first ? Math.max(1, weight) : 0;
      const known = found.get(key);
      if (known === undefined) found.set(key, makeEndpoint({ host, port, labels, weight: share }));
      else if (priority === first) found.set(key, makeEndpoint({ ...known, weight: known.weight + share }));
    }
  }
  return [...found.values()];
}
