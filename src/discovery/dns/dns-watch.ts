/**
 * When is a name resolved again? When its records have expired, though not more often than every few seconds: many
 * servers give a time to live of 0. While no answer comes, the last addresses stay and the waits grow.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { type Endpoint, endpointKey } from '../../core/endpoint.ts';
import { MeshError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { EndpointChange, Sink, Watch } from '../registry.ts';
import { ReconnectDelay, type ReconnectOptions } from '../remote/reconnect-delay.ts';
import type { DnsAnswer } from './dns-answer.ts';

/** When names are resolved again. */
export interface DnsWatchOptions extends ReconnectOptions {
  /**
   * A shorter time to live counts as this, in ms; so does a name that does not exist, and a service record, whose time
   * to live Node does not tell. Default 5,000.
   */
  readonly minTtlMs: number;
  /** How long addresses without a time to live (`/etc/hosts`) count, in ms. Default 30,000. */
  readonly lookupTtlMs: number;
}

export const dnsWatchDefaults: DnsWatchOptions = Object.freeze({
  minTtlMs: 5_000,
  lookupTtlMs: 30_000,
  backoffMs: 1_000,
  maxBackoffMs: 30_000,
});

/** What a watch works with. */
export interface DnsWatchParts {
  /** For error messages. */
  readonly name: string;
  readonly sink: Sink<EndpointChange>;
  /** Asks; rejects when no server can tell. */
  readonly ask: () => Promise<DnsAnswer>;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: DnsWatchOptions;
}

/** Resolves one name again and again, and tells a sink when its endpoints change. */
export class DnsWatch implements Watch {
  private readonly parts: DnsWatchParts;
  private timer: Timer | undefined;
  private readonly delay: ReconnectDelay;
  private version = 0;
  /** The endpoints that were told last; undefined before the first, and after an error. */
  private told: string | undefined;
  /** Whether the last answer was known in part, and that was told. */
  private isPartial = false;
  private closed = false;

  constructor(parts: DnsWatchParts) {
    this.parts = parts;
    this.delay = new ReconnectDelay(parts.random, parts.options);
    void this.resolve();
  }

  close(): void {
    this.closed = true;
    if (this.timer !== undefined) this.parts.clock.clearTimer(this.timer);
  }

  private async resolve(): Promise<void> {
    const result = await this.parts.ask().catch((error: Error) => error);
    if (this.closed) return;
    const delayMs = result instanceof Error ? this.failed(result) : this.resolved(result);
    // The sink may have closed the watch.
    if (this.closed) return;
    this.timer = this.parts.clock.setBackgroundTimer(() => void this.resolve(), delayMs);
  }

  private resolved({ endpoints, ttlSeconds, failure }: DnsAnswer): number {
    const { minTtlMs, lookupTtlMs } = this.parts.options;
    this.delay.reset();
    const found = endpoints.map(signature).sort().join();
    if (found !== this.told) {
      this.told = found;
      this.version++;
      this.tell(endpoints);
    }
    this.tellPartial(failure);
    if (endpoints.length === 0) return minTtlMs;
    return Math.max(minTtlMs, ttlSeconds === undefined ? lookupTtlMs : ttlSeconds * 1000);
  }

  private tell(full: readonly Endpoint[]): void {
    const { sink } = this.parts;
    const version = String(this.version);
    if (full.length === 0) sink.absent(version);
    else void sink.set({ full }, version);
  }

  /** Tells once that a part cannot be resolved; what was told stays. */
  private tellPartial(failure: unknown): void {
    const wasPartial = this.isPartial;
    this.isPartial = failure !== undefined;
    if (failure !== undefined && !wasPartial && !this.closed)
      this.parts.sink.failed(this.error('cannot be resolved in part', failure as Error));
  }

  private failed(cause: Error): number {
    this.told = undefined;
    this.isPartial = false;
    this.parts.sink.failed(this.error('cannot be resolved', cause));
    return this.delay.next();
  }

  private error(what: string, cause: Error): MeshError {
    return new MeshError('INMESH_REGISTRY', `${this.parts.name} ${what}: ${cause.message}`, { cause });
  }
}

/** All of an endpoint that DNS may change. */
function signature({ host, port, weight, labels }: Endpoint): string {
  return `${endpointKey({ host, port })}*${weight}/${labels.priority ?? ''}`;
}
