/**
 * What do service records (RFC 2782) make? For each target, endpoints at its addresses, with the port and the weight of
 * the record. Records of a higher priority number stand by: their endpoints have weight 0, which calls go to only when
 * nobody else is left.
 */
import { type Endpoint, endpointKey, makeEndpoint } from '../core/endpoint.ts';
import type { DnsAnswer } from './dns-answer.ts';
import { type DnsClient, isNegative, type Resolution, resolveName, type ServiceRecord } from './dns-resolver.ts';

/** More targets than an answer over TCP can hold, 64 KiB at some 20 bytes each, are none of a server. */
const maxRecords = 4_096;

/** So many targets are asked for at a time: a service of many must not make a burst that its server drops. */
const concurrentQueries = 16;

/** Node does not tell the time to live of service records: they count as long as the shortest that is honoured. */
const ttlSeconds = 0;

/**
 * The endpoints that the service records of a name make; undefined when it has no such records. A target that does not
 * resolve is left out.
 *
 * @throws the error of a query that could not be answered, when that leaves no endpoint.
 */
export async function serviceAnswer(client: DnsClient, name: string): Promise<DnsAnswer | undefined> {
  const records = await recordsOf(client, name);
  if (records.length === 0) return undefined;
  const targets = [...new Set(records.map((record) => record.name))].filter((target) => !isNone(target));
  const { resolved, failure } = await resolveTargets(client, targets);
  const endpoints = endpointsOf(records, resolved);
  if (endpoints.length === 0 && failure !== undefined) throw failure;
  return { endpoints, ttlSeconds };
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

async function resolveTargets(client: DnsClient, targets: readonly string[]) {
  const resolved = new Map<string, readonly string[]>();
  let failure: unknown;
  for (let start = 0; start < targets.length; start += concurrentQueries) {
    const asked = targets.slice(start, start + concurrentQueries).map(async (target) => {
      const { addresses } = await resolveName(client, target).catch((error: unknown): Resolution => {
        failure ??= error;
        return { addresses: [], ttlSeconds: undefined };
      });
      resolved.set(target, addresses);
    });
    await Promise.all(asked);
  }
  return { resolved, failure };
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
