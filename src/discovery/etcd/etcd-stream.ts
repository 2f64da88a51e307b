/**
 * What is one watch stream of etcd's gateway? A request whose body names many watches, and a reply without end that
 * tells the changes of all of them, a line a response. Over HTTP/1.1 the body must be complete before the reply is
 * read, so no watch can join later; see {@link import('./etcd-streams.ts').EtcdStreams} for that.
 *
 * The body ends with 256 KiB of blanks. The server beneath the gateway (`maxPostHandlerReadBytes` in net/http of Go)
 * throws away what it has not read of a body when it begins the reply, unless more than that is left; and it begins
 * with the first watch. Without the blanks most of a hundred watches are lost, and nobody is told.
 */
import type { Clock } from '../../core/clock.ts';
import { LoopTurns } from '../loop-turns.ts';
import { TextLines } from '../remote/text-lines.ts';
import { refusalOf, refusalOfReason } from './etcd-errors.ts';
import type { EtcdParts } from './etcd-gateway.ts';
import { readWatchLine, type WatchLine } from './etcd-watch-line.ts';
import {
  type EtcdEvent,
  type EtcdHeader,
  type KeyChange,
  keyChangeOf,
  notEtcd,
  prefixRange,
  revisionOf,
} from './etcd-wire.ts';

/** Whoever follows the changes of a prefix. */
export interface EtcdFollower {
  readonly prefix: string;
  /** The first revision that it has not been told. */
  next: number;
  /**
   * Makes sense of changes, and takes turns of the event loop meanwhile.
   *
   * @returns what tells them, each once and in order. It is not called when the follower has been lost, has left, or is
   * told by another stream by then.
   */
  read(changes: readonly KeyChange[], turns: LoopTurns): Promise<() => void>;
  /** It is followed, for the first time or again. */
  following(): void;
  /** No member answers; it will be followed again without its doing. */
  failed(error: Error): void;
  /** It is followed no more: what it has not been told is not there any more (undefined), or it was refused. */
  lost(error: Error | undefined): void;
}

/** What a stream reads from. */
export interface EtcdStreamSource {
  watch(body: string, request: { readonly signal: AbortSignal; readonly background: true }): Promise<EtcdParts>;
}

/** What a stream tells beside changes. */
export interface EtcdStreamListener {
  /** The server has begun to watch for a follower. */
  created(follower: EtcdFollower): void;
  /** The server has ceased to; undefined when what the follower asks for is compacted. */
  cancelled(follower: EtcdFollower, error: Error | undefined): void;
}

const blanks = ' '.repeat(256 * 1024);

/** A line holds the changes of at most 1,000 revisions. What a longer one says is read anew instead. */
const maxLineBytes = 64 * 1024 * 1024;

/** One stream, until it ends. */
export class EtcdStream {
  /** The member that it comes from; undefined before its head. */
  host: string | undefined;
  /** Settles when each watch has been created or cancelled; rejects when the stream ends before. */
  readonly settled: Promise<void>;
  private readonly settle = Promise.withResolvers<void>();
  private readonly clock: Clock;
  private readonly listener: EtcdStreamListener;
  private readonly ids = new Map<EtcdFollower, string>();
  private readonly byId = new Map<string, EtcdFollower>();
  /** Ids in the order of the body, which is that of the confirmations. */
  private readonly pending = new Set<string>();
  private readonly controller = new AbortController();

  constructor(followers: Iterable<EtcdFollower>, listener: EtcdStreamListener, clock: Clock) {
    this.listener = listener;
    this.clock = clock;
    this.settled = this.settle.promise;
    this.settled.catch(() => {});
    let id = 0;
    for (const follower of followers) {
      // Zero would ask for an id of the server's.
      const text = String(++id);
      this.ids.set(follower, text);
      this.byId.set(text, follower);
      this.pending.add(text);
    }
  }

  /** Those that it watches for. */
  get followers(): Iterable<EtcdFollower> {
    return this.ids.keys();
  }

  /** Reads until the end. Rejects when the stream breaks, resolves when it was ended by {@link end}. */
  async run(source: EtcdStreamSource): Promise<void> {
    const { signal } = this.controller;
    const lines = new TextLines(maxLineBytes);
    try {
      const { host, body } = await source.watch(this.body(), { signal, background: true });
      this.host = host;
      for await (const chunk of body) {
        const turns = new LoopTurns(this.clock);
        for (const line of lines.take(chunk)) {
          if (turns.due) await turns.turn();
          // A follower may have ended the stream.
          if (signal.aborted) return;
          await this.read(await readWatchLine(line, turns), turns);
        }
      }
      throw new Error('the stream has ended');
    } catch (error) {
      // It would be as long the next time.
      if (lines.isTooLong) for (const follower of [...this.followers]) this.cancelled(follower, undefined);
      if (signal.aborted) return;
      this.settle.reject(error);
      throw error;
    } finally {
      this.settle.resolve();
      this.controller.abort();
    }
  }

  /** Tells a follower nothing more; the stream ends with its last one. */
  drop(follower: EtcdFollower): void {
    const id = this.ids.get(follower);
    if (id === undefined) return;
    this.ids.delete(follower);
    this.byId.delete(id);
    if (this.ids.size === 0) this.end();
  }

  /** Ends it. */
  end(): void {
    this.controller.abort(new Error('the stream was ended'));
  }

  private body(): string {
    const lines: string[] = [];
    for (const [follower, watch_id] of this.ids) {
      const range = prefixRange(follower.prefix);
      lines.push(
        JSON.stringify({
          create_request: { ...range, start_revision: follower.next, progress_notify: true, watch_id },
        }),
      );
    }
    return `${lines.join('\n')}\n${lines.length === 1 ? '' : blanks}`;
  }

  private async read({ error, result }: WatchLine, turns: LoopTurns): Promise<void> {
    if (error !== undefined) throw refusalOf(error, 'the stream was refused');
    if (typeof result !== 'object' || result === null) throw notEtcd();
    const { created, canceled, events, header } = result;
    const id = created === true ? this.confirmed(result.watch_id) : result.watch_id;
    const follower = id === undefined ? undefined : this.byId.get(id);
    if (follower !== undefined) {
      if (canceled === true) this.refused(follower, result.compact_revision, result.cancel_reason);
      else if (created === true) this.created(follower, header);
      else if (events !== undefined) await this.tell(follower, events, turns);
      // A notification of progress: there was nothing up to here.
      else follower.next = Math.max(follower.next, revisionOf(header?.revision) + 1);
    }
    if (this.pending.size === 0) this.settle.resolve();
  }

  /** The id that a confirmation is for. A refused watch is confirmed with the id -1: it is the next in the body. */
  private confirmed(watchId: string | undefined): string | undefined {
    const known = watchId !== undefined && this.pending.has(watchId);
    const [id] = known ? [watchId] : this.pending;
    if (id !== undefined) this.pending.delete(id);
    return id;
  }

  private created(follower: EtcdFollower, header: EtcdHeader | undefined): void {
    revisionOf(header?.revision);
    this.listener.created(follower);
  }

  private refused(follower: EtcdFollower, compactRevision: string | undefined, reason: string | undefined): void {
    const isCompacted = compactRevision !== undefined;
    this.cancelled(follower, isCompacted ? undefined : refusalOfReason(reason ?? 'the watch was cancelled'));
  }

  private cancelled(follower: EtcdFollower, error: Error | undefined): void {
    this.drop(follower);
    this.listener.cancelled(follower, error);
  }

  /** What another stream has told already is left out. All changes of a revision are in one line. */
  private async tell(follower: EtcdFollower, events: readonly EtcdEvent[], turns: LoopTurns): Promise<void> {
    if (!Array.isArray(events)) throw notEtcd();
    const changes: KeyChange[] = [];
    for (const event of events) {
      if (turns.due) await turns.turn();
      const change = keyChangeOf(event);
      if (change.revision >= follower.next) changes.push(change);
    }
    const last = changes.at(-1);
    if (last === undefined) return;
    const tell = await follower.read(changes, turns);
    if (!this.ids.has(follower)) return;
    follower.next = last.revision + 1;
    tell();
  }
}
