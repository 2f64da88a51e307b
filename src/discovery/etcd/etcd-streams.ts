/**
 * How does a process watch a thousand prefixes over a few connections? Watches that begin within a moment share a
 * stream; when there would be more than eight streams, a new one takes all watches, each from what it has not seen yet,
 * and a watch leaves its old stream when the new one has confirmed it. Until then both tell it, and what it knows is
 * left out.
 *
 * A stream that is silent may be one of a frozen member. So the member that streams come from is asked for its revision
 * every ten seconds. Without an answer, or when requests go to another member by now, the streams begin anew there,
 * each watch from what it has not seen: a false alarm costs a little, and nothing is lost.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import { ReconnectDelay } from '../remote/reconnect-delay.ts';
import type { EtcdPosition } from './etcd-client.ts';
import { EtcdRefusal, refusalBehind } from './etcd-errors.ts';
import { EtcdKnownCluster } from './etcd-known-cluster.ts';
import { type EtcdFollower, EtcdStream, type EtcdStreamListener, type EtcdStreamSource } from './etcd-stream.ts';

/** When streams begin, and when they are looked at. */
export interface EtcdStreamsOptions {
  /** How often the member of the streams is asked, in ms; at random a quarter less or more. Default 10,000. */
  readonly checkMs: number;
  /** How long its answer may take, in ms. Default 3,000. */
  readonly checkTimeoutMs: number;
  /** A stream begins when no further watch came for this long, in ms. Default 5. */
  readonly quietMs: number;
  /** It begins at the latest this long after the first one, in ms. Default 100. */
  readonly longestQuietMs: number;
  /** How long the confirmation of all watches of a stream may take, in ms. Default 10,000. */
  readonly confirmMs: number;
}

export const etcdStreamsDefaults: EtcdStreamsOptions = Object.freeze({
  checkMs: 10_000,
  checkTimeoutMs: 3_000,
  quietMs: 5,
  longestQuietMs: 100,
  confirmMs: 10_000,
});

/** Whom streams come from. */
export interface EtcdStreamsSource extends EtcdStreamSource {
  position(
    key: string,
    request: {
      readonly signal: AbortSignal;
      readonly background: true;
      readonly timeoutMs: number;
      readonly isRepeatable: boolean;
    },
  ): Promise<EtcdPosition>;
  turnFrom(host: string): void;
}

/** What streams work with. */
export interface EtcdStreamsParts {
  readonly source: EtcdStreamsSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: EtcdStreamsOptions;
  /** Called when etcd answers after a stream broke. */
  readonly isBack: () => void;
}

/** More streams than this are merged into one. */
const maxStreams = 8;

/** A stream that lived this long, in ms, is begun anew at once when it breaks; another one after a wait. */
const soundMs = 1_000;

/** The watch streams of one registry. */
export class EtcdStreams {
  private readonly parts: EtcdStreamsParts;
  private readonly delay: ReconnectDelay;
  private readonly controller = new AbortController();
  /** Those that no stream tells. */
  private readonly waiting = new Set<EtcdFollower>();
  /** The stream that tells a follower. */
  private readonly places = new Map<EtcdFollower, EtcdStream>();
  /** When each open stream was begun. */
  private readonly streams = new Map<EtcdStream, number>();
  private isOpening = false;
  /** Until streams are begun, or begun again after a failure. */
  private openTimer: Timer | undefined;
  private isPaused = false;
  /** The instant at which the first follower began to wait. */
  private waitingSince = 0;
  private checkTimer: Timer | undefined;
  private readonly known = new EtcdKnownCluster<EtcdFollower>();
  /** A stream broke, or no member answered, and none has answered since. */
  private isAway = false;

  constructor(parts: EtcdStreamsParts) {
    this.parts = parts;
    this.delay = new ReconnectDelay(parts.random);
  }

  /** Tells `follower` what has changed from its next revision on, until it leaves or is lost. */
  join(follower: EtcdFollower): void {
    this.waiting.add(follower);
    this.arrange();
  }

  leave(follower: EtcdFollower): void {
    this.waiting.delete(follower);
    this.known.forget(follower);
    this.places.delete(follower);
    for (const stream of this.streams.keys()) stream.drop(follower);
  }

  /** Ends all streams, and tells nobody. */
  close(): void {
    this.controller.abort(new Error('the streams are closed'));
    for (const timer of [this.openTimer, this.checkTimer]) {
      if (timer !== undefined) this.parts.clock.clearTimer(timer);
    }
    for (const stream of this.streams.keys()) stream.end();
  }

  private get isClosed(): boolean {
    return this.controller.signal.aborted;
  }

  /** Sees to it that those who wait get a stream. */
  private arrange(): void {
    if (this.isClosed || this.isOpening || this.isPaused || this.waiting.size === 0) return;
    const { clock, options } = this.parts;
    const now = clock.now();
    if (this.openTimer === undefined) this.waitingSince = now;
    else clock.clearTimer(this.openTimer);
    const delayMs = Math.max(0, Math.min(options.quietMs, this.waitingSince + options.longestQuietMs - now));
    this.openTimer = clock.setBackgroundTimer(() => void this.open(), delayMs);
  }

  private async open(): Promise<void> {
    this.openTimer = undefined;
    this.isPaused = false;
    // A stream broke meanwhile; who waits gets the next one.
    if (this.isOpening) return;
    this.isOpening = true;
    try {
      await this.begin();
      this.delay.reset();
    } catch (error) {
      this.failed(error as Error);
    }
    this.isOpening = false;
    this.arrange();
  }

  /** Begins a stream, and waits until each of its watches is confirmed. */
  private async begin(): Promise<void> {
    if (this.waiting.size === 0) return;
    await this.findLost();
    if (this.isAway) {
      this.isAway = false;
      this.parts.isBack();
    }
    const isMerge = this.streams.size >= maxStreams;
    const followers = isMerge ? [...this.waiting, ...this.places.keys()] : [...this.waiting];
    if (this.isClosed || followers.length === 0) return;
    const { source, clock } = this.parts;
    const listener: EtcdStreamListener = {
      created: (follower) => this.created(follower, stream),
      cancelled: (follower, error) => this.lose(follower, error),
    };
    const stream = new EtcdStream(followers, listener, clock);
    this.streams.set(stream, clock.now());
    void stream.run(source).then(
      () => this.ended(stream),
      (error) => this.ended(stream, error),
    );
    this.scheduleCheck();
    await this.confirmed(stream);
  }

  /** Waits for the confirmations of a stream. When some are missing, those that it has given count. */
  private async confirmed(stream: EtcdStream): Promise<void> {
    const { clock, options } = this.parts;
    const late = Promise.withResolvers<never>();
    const message = `not all watches were confirmed within ${options.confirmMs} ms`;
    const timer = clock.setBackgroundTimer(() => late.reject(new Error(message)), options.confirmMs);
    try {
      await Promise.race([stream.settled, late.promise]);
    } catch (error) {
      for (const follower of [...stream.followers]) {
        if (this.places.get(follower) !== stream) stream.drop(follower);
      }
      throw error;
    } finally {
      clock.clearTimer(timer);
    }
  }

  /**
   * Loses those whom a cluster cannot tell what they missed. Followers as they were before the question: the answer is
   * as new as what they knew then.
   */
  private async findLost(): Promise<void> {
    const before = new Map([...this.waiting].map((follower) => [follower, follower.next]));
    const position = await this.ask(true).catch((error) => {
      for (const follower of this.waiting) this.known.doubt(follower);
      this.isAway = true;
      throw error;
    });
    for (const follower of this.known.lostAt(position, before)) {
      if (this.waiting.has(follower)) this.lose(follower, undefined);
    }
  }

  private ask(isRepeatable: boolean): Promise<EtcdPosition> {
    const { source, options } = this.parts;
    const [follower] = this.waiting.size > 0 ? this.waiting : this.places.keys();
    const { signal } = this.controller;
    const { checkTimeoutMs: timeoutMs } = options;
    return source.position(follower?.prefix ?? '', { signal, background: true, timeoutMs, isRepeatable });
  }

  private created(follower: EtcdFollower, stream: EtcdStream): void {
    this.waiting.delete(follower);
    const former = this.places.get(follower);
    this.places.set(follower, stream);
    former?.drop(follower);
    follower.following();
  }

  private lose(follower: EtcdFollower, error: Error | undefined): void {
    this.leave(follower);
    follower.lost(error);
  }

  private ended(stream: EtcdStream, error?: Error): void {
    const { clock, source } = this.parts;
    const livedMs = clock.now() - (this.streams.get(stream) as number);
    this.streams.delete(stream);
    if (this.isClosed) return;
    for (const follower of stream.followers) {
      if (this.places.get(follower) !== stream) continue;
      this.places.delete(follower);
      this.waiting.add(follower);
      this.isAway = true;
    }
    // Such as "no leader": another member may have one.
    if (error instanceof EtcdRefusal && stream.host !== undefined) source.turnFrom(stream.host);
    if (error !== undefined && livedMs < soundMs) this.failed(error);
    this.arrange();
  }

  /** Tells those who wait, and begins again after a wait. */
  private failed(error: Error): void {
    if (this.isClosed) return;
    for (const follower of [...this.waiting]) follower.failed(error);
    if (this.isClosed || this.isPaused) return;
    this.isPaused = true;
    const { clock } = this.parts;
    if (this.openTimer !== undefined) clock.clearTimer(this.openTimer);
    this.openTimer = clock.setBackgroundTimer(() => void this.open(), this.delay.next());
  }

  private scheduleCheck(): void {
    if (this.isClosed || this.checkTimer !== undefined || this.streams.size === 0) return;
    const { clock, random, options } = this.parts;
    const delayMs = options.checkMs * (0.75 + 0.5 * random.next());
    this.checkTimer = clock.setBackgroundTimer(() => void this.check(), delayMs);
  }

  /** Ends the streams of members other than the one that answers; they begin anew there. */
  private async check(): Promise<void> {
    const streams = [...this.streams.keys()].filter(({ host }) => host !== undefined);
    const answer = await this.ask(false).catch((error: Error) => error);
    this.checkTimer = undefined;
    if (this.isClosed) return;
    // A member that refuses to say is none that is silent.
    if (!(answer instanceof Error && isRefusal(answer))) {
      const host = answer instanceof Error ? undefined : answer.host;
      for (const stream of streams) if (stream.host !== host) stream.end();
    }
    this.scheduleCheck();
  }
}

function isRefusal(error: Error): boolean {
  const refusal = refusalBehind(error);
  return refusal?.grpcCode !== undefined && !refusal.isUnavailable;
}
