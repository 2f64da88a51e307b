/**
 * What are the addresses of the targets of a service? Each has its own time to live, and is asked for again when that is
 * over, not with each question for the service. A target that no server can tell of keeps the addresses it had: only a
 * server that says that there are none takes them away.
 */
import type { Clock } from '../../core/clock.ts';
import { type DnsClient, resolveName } from './dns-resolver.ts';

/** How long addresses count; as of `DnsWatchOptions`. */
export interface DnsTargetTimes {
  readonly minTtlMs: number;
  readonly lookupTtlMs: number;
}

/** So many targets are asked for at a time: a service of many must not make a burst that its server drops. */
const concurrentQueries = 16;

/** A target, as it was told last. */
interface Target {
  readonly addresses: readonly string[];
  /** The instant from which on it is asked for again. */
  readonly expiresAt: number;
}

/** The targets of one service. */
export class DnsTargets {
  private readonly client: DnsClient;
  private readonly clock: Clock;
  private readonly times: DnsTargetTimes;
  /** Of the last question: no more than it had. */
  private known: ReadonlyMap<string, Target> = new Map();

  constructor(client: DnsClient, clock: Clock, times: DnsTargetTimes) {
    this.client = client;
    this.clock = clock;
    this.times = times;
  }

  /**
   * The addresses of each of `hosts`; those that have none are missing, or have none.
   *
   * @returns also the error of the first query that could not be answered. Never rejects.
   */
  async resolve(
    hosts: readonly string[],
  ): Promise<{ readonly resolved: ReadonlyMap<string, readonly string[]>; readonly failure: unknown }> {
    const known = new Map<string, Target>();
    let failure: unknown;
    const ask = async (host: string) => {
      const before = this.known.get(host);
      if (before !== undefined) known.set(host, before);
      if (before !== undefined && this.clock.now() < before.expiresAt) return;
      try {
        known.set(host, await this.asked(host));
      } catch (error) {
        failure ??= error;
      }
    };
    const rest = hosts.values();
    const askRest = async () => {
      for (const host of rest) await ask(host);
    };
    await Promise.all(Array.from({ length: concurrentQueries }, askRest));
    this.known = known;
    return { resolved: new Map([...known].map(([host, { addresses }]) => [host, addresses])), failure };
  }

  private async asked(host: string): Promise<Target> {
    const { minTtlMs, lookupTtlMs } = this.times;
    const { addresses, ttlSeconds } = await resolveName(this.client, host);
    const ttlMs = addresses.length === 0 ? 0 : ttlSeconds === undefined ? lookupTtlMs : ttlSeconds * 1_000;
    return { addresses, expiresAt: this.clock.now() + Math.max(minTtlMs, ttlMs) };
  }
}
