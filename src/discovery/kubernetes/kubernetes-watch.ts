/**
 * How is a resource of Kubernetes followed? It is listed page by page, and then watched from the version of the list
 * on: bookmarks and events move that version, and a watch that ends is begun again there, without a list (as the
 * reflector of client-go does). It is listed again when that version is not kept any more (410), and when the server did not answer
 * in between: it may have come back with an older state, and would not say so.
 */
import type { Clock } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import { LoopTurns } from '../loop-turns.ts';
import type { Watch } from '../registry.ts';
import { ReconnectDelay, type ReconnectOptions } from '../remote/reconnect-delay.ts';
import type { RegistryClient, RegistryStream } from '../remote/registry-client.ts';
import { TextLines } from '../remote/text-lines.ts';
import { type Session, WatchLoop } from '../remote/watch-loop.ts';
import { listObjects, type WatchedResource } from './kubernetes-list.ts';
import { errorText, goneStatus, isRefusal, nonsenseError, statusError } from './kubernetes-status.ts';

/** Takes what a watch finds. */
export interface ObjectSink<T> {
  /**
   * These are all objects, by name. Told after a list. May take turns of the loop; nothing else is told before it is
   * done.
   */
  listed(objects: ReadonlyMap<string, T>, version: string, session: SinkSession): Promise<void>;
  /** An object is new or has changed; undefined for one that is gone. May tell what is known already. */
  changed(name: string, object: T | undefined, version: string): void;
  /** After {@link failed}: the server answers again, and nothing was missed. */
  resumed(version: string): void;
  failed(error: Error): void;
}

/** While a sink takes a list. */
export interface SinkSession {
  /** Aborted when the watch is closed. */
  readonly signal: AbortSignal;
  readonly turns: LoopTurns;
}

/** What a watch works with. */
export interface KubernetesWatchParts<T> {
  readonly client: RegistryClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly reconnect: ReconnectOptions;
  /** How long a watch waits at least after statuses 401 and 403, and at most half as long again, in ms. */
  readonly refusedWaitMs: number;
  readonly resource: WatchedResource<T>;
  readonly sink: ObjectSink<T>;
}

/** The server ends a watch after this and up to a tenth more, at random, in s: below the 5 min of many proxies. */
const watchSeconds = 270;

/** A server that has not ended a watch this long after its time does nothing any more, in ms. */
const overdueMs = 30_000;

/** A watch that ends sooner did not work, in ms; the next one has to wait, or they would follow one another at once. */
const shortestWatchMs = 1_000;

/** A longer event is nonsense: objects are below 2 MB. */
const maxLineBytes = 8 * 1024 * 1024;

/** So long the body of an error is waited for, in ms. */
const errorTimeoutMs = 2_000;

/** Follows one resource. */
export class KubernetesWatch<T> implements Watch {
  private readonly parts: KubernetesWatchParts<T>;
  private readonly loop: WatchLoop;
  /** From where to go on; undefined when a list is needed. */
  private version: string | undefined;
  private hasFailed = false;

  constructor(parts: KubernetesWatchParts<T>) {
    const { clock, random, reconnect, refusedWaitMs, sink } = parts;
    this.parts = parts;
    this.loop = new WatchLoop({
      clock,
      delay: new ReconnectDelay(random, reconnect),
      run: (session) => this.run(session),
      failed: (error) => {
        this.hasFailed = true;
        sink.failed(error);
      },
      shortestMs: shortestWatchMs,
      leastWaitMs: (error) => (isRefusal(error) ? refusedWaitMs * (1 + 0.5 * random.next()) : 0),
    });
  }

  close(): void {
    this.loop.close();
  }

  private async run(session: Session): Promise<void> {
    const isFresh = this.version === undefined;
    const { signal } = session;
    if (isFresh) {
      const { client, clock, resource, sink } = this.parts;
      const turns = new LoopTurns(clock);
      const { objects, version } = await listObjects(resource, { client, turns, signal, background: true });
      signal.throwIfAborted();
      this.hasFailed = false;
      await sink.listed(objects, version, { signal, turns });
      this.version = version;
    }
    if (!signal.aborted) await this.watch(session, isFresh);
  }

  private async watch(session: Session, isFresh: boolean): Promise<void> {
    const { client, clock, random, resource } = this.parts;
    const version = this.version as string;
    const seconds = Math.round(watchSeconds * (1 + 0.1 * random.next()));
    const overdue = new AbortController();
    const late = () => overdue.abort(nonsenseError(resource, 'the watch neither ends nor answers'));
    const timer = clock.setBackgroundTimer(late, seconds * 1_000 + overdueMs);
    const query = new URLSearchParams({
      labelSelector: resource.labelSelector,
      watch: 'true',
      resourceVersion: version,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
    });
    // Only an answer makes it good again.
    this.version = undefined;
    try {
      const stream = await client.stream({
        method: 'GET',
        path: `${resource.path}?${query}`,
        signal: AbortSignal.any([session.signal, overdue.signal]),
        background: true,
      });
      if (stream.status !== 200) await this.refused(stream, isFresh, overdue);
      else {
        this.version = version;
        await this.follow(stream, session, isFresh);
      }
    } finally {
      clock.clearTimer(timer);
    }
  }

  private async refused({ status, body }: RegistryStream, isFresh: boolean, overdue: AbortController): Promise<void> {
    const { clock } = this.parts;
    const timer = clock.setBackgroundTimer(() => overdue.abort(), errorTimeoutMs);
    // Without its body an error is known by its status.
    const text = await errorText(body).catch(() => '');
    clock.clearTimer(timer);
    this.gone(status, isFresh, text);
  }

  /**
   * Nothing when another list will help.
   *
   * @param isFresh whether what is gone came from a list just now: then the next one would be of no more use.
   */
  private gone(status: number, isFresh: boolean, body: unknown): void {
    this.version = undefined;
    if (status !== goneStatus || isFresh) throw statusError(this.parts.resource, status, body);
  }

  private async follow({ body }: RegistryStream, session: Session, isFresh: boolean): Promise<void> {
    const { clock, resource, sink } = this.parts;
    if (this.hasFailed) {
      this.hasFailed = false;
      sink.resumed(this.version as string);
    }
    const startedAt = clock.now();
    const isShort = () => clock.now() - startedAt < shortestWatchMs;
    const lines = new TextLines(maxLineBytes);
    let hasEvents = false;
    try {
      for await (const chunk of body) {
        for (const line of this.linesOf(lines, chunk)) {
          if (session.signal.aborted) return;
          const isGone = this.take(line, isFresh && isShort());
          if (isGone) return;
          hasEvents = true;
        }
      }
    } finally {
      if (!isShort()) session.progress();
    }
    if (session.signal.aborted) return;
    if (lines.isCut) throw nonsenseError(resource, 'the watch ended within an event');
    if (!hasEvents && isShort()) throw nonsenseError(resource, 'the watch ended at once');
  }

  private *linesOf(lines: TextLines, chunk: Buffer): Iterable<string> {
    try {
      yield* lines.take(chunk);
    } catch (cause) {
      throw nonsenseError(this.parts.resource, (cause as Error).message, cause);
    }
  }

  /** Takes an event; whether it says that the version is gone. */
  private take(line: string, isFresh: boolean): boolean {
    const { resource, sink } = this.parts;
    const { type, object } = this.parse(line);
    if (type === 'ERROR') {
      const { code } = object as { code?: unknown };
      this.gone(typeof code === 'number' ? code : 500, isFresh, object);
      return true;
    }
    const { name, resourceVersion: version } = object.metadata ?? {};
    if (typeof version !== 'string' || version === '') throw this.nonsense('an event without a resourceVersion');
    if (type === 'BOOKMARK') this.version = version;
    else {
      if (typeof name !== 'string') throw this.nonsense('an event without a name');
      if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED')
        throw this.nonsense('an event of unknown type');
      this.version = version;
      sink.changed(name, type === 'DELETED' ? undefined : resource.read(object), version);
    }
    return false;
  }

  private parse(line: string): { type: unknown; object: { metadata?: { name?: unknown; resourceVersion?: unknown } } } {
    let event: unknown;
    try {
      event = JSON.parse(line);
    } catch (cause) {
      throw this.nonsense('an event that is no JSON', cause);
    }
    const { type, object } = (event ?? {}) as { type?: unknown; object?: unknown };
    if (typeof object !== 'object' || object === null) throw this.nonsense('an event without an object');
    return { type, object };
  }

  /** What follows an event that was not understood cannot be trusted: it is listed again. */
  private nonsense(why: string, cause?: unknown): Error {
    this.version = undefined;
    return nonsenseError(this.parts.resource, why, cause);
  }
}
