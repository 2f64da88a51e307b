/**
 * How is a prefix watched? All that is there is read at one revision, and then followed from the next one on, so that
 * nothing is missed between. What was missed during an outage is followed from where it broke off; only when etcd has
 * compacted that, all is read again.
 */
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { EtcdClient } from './etcd-client.ts';
import { etcdError } from './etcd-errors.ts';
import type { EtcdFollower } from './etcd-stream.ts';
import type { EtcdStreams } from './etcd-streams.ts';
import type { KeyChange, KeyValue } from './etcd-wire.ts';
import { LoopTurns } from './loop-turns.ts';
import { ReconnectDelay } from './reconnect-delay.ts';
import type { Watch } from './registry.ts';
import type { RequestLimit } from './request-limit.ts';
import { type Session, WatchLoop } from './watch-loop.ts';

/** Takes what a prefix holds. Keys are whole. */
export interface PrefixSink {
  /** It holds these keys and no others. May take turns of the loop; nothing else is told before it is done. */
  full(keys: readonly KeyValue[], revision: number, session: SinkSession): Promise<void>;
  /** These have changed, in this order. */
  changed(changes: readonly KeyChange[], revision: number): void;
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
  private hasFailed = false;

  constructor(prefix: string, sink: PrefixSink, parts: PrefixWatchParts) {
    this.prefix = prefix;
    this.sink = sink;
    this.parts = parts;
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

  changed(changes: readonly KeyChange[]): void {
    this.sink.changed(changes, this.next - 1);
  }

  following(): void {
    this.session?.progress();
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

  private tellFailure(error: Error): void {
    this.hasFailed = true;
    this.sink.failed(error);
  }

  /** What is wrong with a stream is so for each of its watches. */
  private named(error: Error): Error {
    return etcdError(this.parts.client.name, this.prefix, error);
  }

  /** Until it is lost or closed. */
  private async run(session: Session): Promise<void> {
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
