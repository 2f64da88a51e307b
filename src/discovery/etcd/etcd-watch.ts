/**
 * How is a prefix watched? All that is there is read at one revision, and then followed from the next one on, so that
 * nothing is missed between. What was missed during an outage is followed from where it broke off; only when etcd has
 * compacted that, all is read again.
 */
import type { Clock } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import { LoopTurns } from '../loop-turns.ts';
import type { Watch } from '../registry.ts';
import { backgroundWait } from '../remote/background-wait.ts';
import { ReconnectDelay, reconnectDefaults } from '../remote/reconnect-delay.ts';
import type { RequestLimit } from '../remote/request-limit.ts';
import { type Session, WatchLoop } from '../remote/watch-loop.ts';
import type { EtcdClient } from './etcd-client.ts';
import { etcdError, refusalBehind } from './etcd-errors.ts';
import type { EtcdFollower } from './etcd-stream.ts';
import type { EtcdStreams } from './etcd-streams.ts';
import type { KeyChange, KeyValue } from './etcd-wire.ts';

/** Takes what a prefix holds. Keys are whole. */
export interface PrefixSink {
  /** It holds these keys and no others. May take turns of the loop; nothing else is told before it is done. */
  full(keys: readonly KeyValue[], revision: number, session: SinkSession): Promise<void>;
  /**
   * Makes sense of changes, in this order. May take turns of the loop.
   *
   * @returns what tells them; not called when they are none of this watch any more.
   */
  read(changes: readonly KeyChange[], turns: LoopTurns): Promise<(revision: number) => void>;
  /** After {@link failed}: it is watched again. */
  again(): void;
  failed(error: Error): void;
}

/** While a prefix is taken in. */
export interface SinkSession {
  /** Aborted when the watch is closed. */
  readonly signal: AbortSignal;
  readonly turns: LoopTurns;
}

/** What the watches of a registry share. */
export interface PrefixWatchParts {
  readonly client: EtcdClient;
  readonly streams: EtcdStreams;
  /** Of prefixes that are read at once. */
  readonly reads: RequestLimit;
  readonly clock: Clock;
  readonly random: Random;
}

/** A right that is missing is given by people: a thousand watches without it must not keep a member busy. */
const refusedDelays = { ...reconnectDefaults, maxBackoffMs: 30_000 };

/** A running watch of a prefix. */
export class PrefixWatch implements Watch, EtcdFollower {
  readonly prefix: string;
  next = 0;
  private readonly sink: PrefixSink;
  private readonly parts: PrefixWatchParts;
  private readonly loop: WatchLoop;
  private session: Session | undefined;
  /** Ends the session. */
  private end = Promise.withResolvers<void>();
  /** Since it was watched last. */
  private hasFailed = false;
  private lastFailure: string | undefined;
  /** Of waits after refusals that last. */
  private readonly refusedDelay: ReconnectDelay;

  constructor(prefix: string, sink: PrefixSink, parts: PrefixWatchParts) {
    this.prefix = prefix;
    this.sink = sink;
    this.parts = parts;
    this.refusedDelay = new ReconnectDelay(parts.random, refusedDelays);
    this.loop = new WatchLoop({
      clock: parts.clock,
      delay: new ReconnectDelay(parts.random),
      run: (session) => this.run(session),
      failed: (error) => this.tellFailure(error),
    });
  }

  close(): void {
    this.loop.close();
    this.parts.streams.leave(this);
    this.end.resolve();
  }

  async read(changes: readonly KeyChange[], turns: LoopTurns): Promise<() => void> {
    const tell = await this.sink.read(changes, turns);
    return () => tell(this.next - 1);
  }

  following(): void {
    this.session?.progress();
    this.refusedDelay.reset();
    if (!this.hasFailed) return;
    this.hasFailed = false;
    this.sink.again();
  }

  failed(error: Error): void {
    // An outage is told once: a thousand watches share it, and streams are tried every second.
    if (!this.hasFailed) this.tellFailure(this.named(error));
  }

  lost(error: Error | undefined): void {
    if (error === undefined) this.end.resolve();
    else this.end.reject(this.named(error));
  }

  /** The same is told once: it is tried again and again. */
  private tellFailure(error: Error): void {
    if (this.hasFailed && this.lastFailure === error.message) return;
    this.hasFailed = true;
    this.lastFailure = error.message;
    this.sink.failed(error);
  }

  /** What is wrong with a stream is so for each of its watches. */
  private named(error: Error): Error {
    return etcdError(this.parts.client.name, this.prefix, error);
  }

  private async run(session: Session): Promise<void> {
    try {
      await this.follow(session);
    } catch (error) {
      if (session.signal.aborted || refusalBehind(error)?.isLasting !== true) throw error;
      this.tellFailure(error as Error);
      await backgroundWait(this.parts.clock, this.refusedDelay.next(), session.signal);
    }
  }

  /** Until it is lost or closed. */
  private async follow(session: Session): Promise<void> {
    const { client, clock, reads, streams } = this.parts;
    const { signal } = session;
    const turns = new LoopTurns(clock);
    const read = () => client.keys(this.prefix, turns, { signal, background: true });
    const { keys, revision } = await reads.run(signal, read);
    signal.throwIfAborted();
    await this.sink.full(keys, revision, { signal, turns });
    signal.throwIfAborted();
    this.hasFailed = false;
    this.next = revision + 1;
    this.session = session;
    this.end = Promise.withResolvers<void>();
    streams.join(this);
    await this.end.promise;
  }
}
