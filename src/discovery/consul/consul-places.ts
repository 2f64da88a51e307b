/**
 * How many connections does a process hold at Consul? Few: a Consul takes 200 of one address by default
 * (`limits.http_max_conns_per_client`), those of all processes of a machine together. One whose query was given up stays
 * occupied there until the time of that query is over; so its place stays taken as long. Whoever is turned away takes
 * half of its share for a while, so that many processes get by.
 *
 * The first watches have a place each and wait long, so that a change is told in milliseconds. Further ones share a few,
 * in turn, and wait so shortly that a round takes a few seconds. First questions, which do not wait, have their own.
 */
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';

/** The share of a process that was never turned away. Eight of them are well below the limit. */
export const longPlaces = 10;
export const sharedPlaces = 6;
/** One of these connections is left for what is no question, such as the renewal of a registration. */
export const otherConnections = 4;

/** A round of those that share takes about so long, in ms. */
const roundMs = 3_000;
/** But none waits shorter, in ms: a thousand watches must not become a thousand queries a second. */
const minWaitMs = 100;

/** A share is halved no further than to this. */
const minPart = 1 / 8;
/** Who is turned away more than once within this time, in ms, is turned away once. */
const sameMomentMs = 1_000;
/** A share that was halved doubles after this time, in ms: longer than a query that was given up is held by default. */
const regrowthMs = 40_000;

/** A connection that is closed sooner than this, in ms, before the server has said a word, was one too many. */
const turnedAwayMs = 1_000;

/** A place for one query. */
export interface QueryPlace {
  /** Whose connections it is about. */
  readonly kind: 'long' | 'shared' | 'first';
  /** How long the query may wait for a change, in ms; 0 for one that does not wait. */
  readonly waitMs: number;
  /** Gives it back. To be called once, when the query is over. */
  leave(): void;
}

/** Some places, whose number may change, and those who wait for one, in order. What waits is bounded by who asks. */
class Turns {
  private used = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly limit: () => number;

  constructor(limit: () => number) {
    this.limit = limit;
  }

  /** Those who have a place or wait for one, for each place. */
  get load(): number {
    return (this.used + this.waiting.length) / this.limit();
  }

  /** @throws the reason of `signal` when that is aborted before its turn. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.used < this.limit()) this.used++;
    else await new Promise<void>((turn) => this.waiting.push(turn));
    if (!signal.aborted) return;
    this.leave();
    throw signal.reason;
  }

  leave(): void {
    this.used--;
    while (this.used < this.limit()) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      this.used++;
      next();
    }
  }
}

/** The places of one process at one registry. */
export class ConsulPlaces {
  private readonly clock: Clock;
  private readonly maxWaitMs: number;
  private readonly shared = new Turns(() => this.placesOf(sharedPlaces));
  private readonly first = new Turns(() => this.placesOf(otherConnections - 1));
  /** The watches that have a long place, by their signal, and whether they have a query under way. */
  private readonly long = new Map<AbortSignal, boolean>();
  private halvedPart = 1;
  private halvedAt = 0;

  /** @param maxWaitMs how long a query may wait for a change at most, in ms. */
  constructor(clock: Clock, maxWaitMs: number) {
    this.clock = clock;
    this.maxWaitMs = maxWaitMs;
  }

  /**
   * A place for a question that does not wait.
   *
   * @throws the reason of `signal` when that is aborted before its turn.
   */
  async forFirst(signal: AbortSignal): Promise<QueryPlace> {
    await this.first.take(signal);
    return { kind: 'first', waitMs: 0, leave: () => this.first.leave() };
  }

  /**
   * A place for a question that waits for a change.
   *
   * @param signal of the watch, which keeps a long place from its first question until it is closed.
   * @param isPatient whether it never takes a long place.
   * @throws as {@link forFirst}.
   */
  async forWaiting(signal: AbortSignal, isPatient: boolean): Promise<QueryPlace> {
    if (!isPatient && this.takeLong(signal)) {
      return { kind: 'long', waitMs: this.maxWaitMs, leave: () => this.leaveLong(signal) };
    }
    await this.shared.take(signal);
    const waitMs = Math.max(minWaitMs, Math.floor(roundMs / Math.max(1, this.shared.load)));
    return { kind: 'shared', waitMs: Math.min(waitMs, this.maxWaitMs), leave: () => this.shared.leave() };
  }

  /** The server takes no more connections of this address. */
  turnedAway(): void {
    const now = this.clock.now();
    if (this.halvedPart < 1 && now - this.halvedAt < sameMomentMs) return;
    this.halvedPart = Math.max(minPart, this.part / 2);
    this.halvedAt = now;
  }

  /** The part of its share that this process takes. */
  private get part(): number {
    const doublings = Math.floor((this.clock.now() - this.halvedAt) / regrowthMs);
    return Math.min(1, this.halvedPart * 2 ** doublings);
  }

  private placesOf(share: number): number {
    return Math.max(1, Math.floor(share * this.part));
  }

  private takeLong(signal: AbortSignal): boolean {
    signal.throwIfAborted();
    const has = this.long.has(signal);
    const limit = this.placesOf(longPlaces);
    if (has ? this.long.size > limit : this.long.size >= limit) {
      this.long.delete(signal);
      return false;
    }
    if (!has) signal.addEventListener('abort', () => this.long.get(signal) || this.long.delete(signal), { once: true });
    this.long.set(signal, true);
    return true;
  }

  private leaveLong(signal: AbortSignal): void {
    if (signal.aborted) this.long.delete(signal);
    else this.long.set(signal, false);
  }
}

/** Whether a query failed after `afterMs` in the way of those whose connection is one too many. */
export function isTurnedAway(error: unknown, afterMs: number): error is MeshError {
  if (!(error instanceof MeshError) || afterMs > turnedAwayMs) return false;
  const { code, socket } = (error.cause ?? {}) as { code?: unknown; socket?: { bytesRead?: unknown } };
  return code === 'ECONNRESET' || (code === 'UND_ERR_SOCKET' && socket?.bytesRead === 0);
}
