/**
 * How does the driver talk to Consul? With plain requests, and with queries that wait for a change (blocking queries).
 *
 * Why three pools? Consul takes 200 connections of a client by default, and one whose query was given up stays occupied
 * on the server until that query's time is over, up to minutes later. So a waiting query is never given up to make room.
 * The first queries have a connection each and wait long; further ones share a few connections, in turn, and wait
 * shortly; and what must not wait has connections of its own. Together they stay well below the limit.
 */
import type { Clock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { ConsulSettings, QueryParameters } from './consul-settings.ts';
import { jsonElements } from './json-elements.ts';
import { RegistryClient, type RegistryReply, type RegistryRequest, type RegistryStream } from './registry-client.ts';

/** A plain request. */
export interface ConsulRequest
  extends Pick<RegistryRequest, 'method' | 'path' | 'background' | 'timeoutMs' | 'signal'> {
  /** For error messages: `key inmesh/documents/mesh`. */
  readonly what: string;
  readonly query?: QueryParameters;
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown;
  /** Statuses besides 200 that are answers, not errors. Default: none. */
  readonly accept?: readonly number[];
}

/** Something that can be waited for. */
export interface ConsulQuestion {
  readonly path: string;
  readonly query?: QueryParameters;
  /** As {@link ConsulRequest.what}. */
  readonly what: string;
}

/** The state of something. It has to be read whole or given up by leaving the loop. */
export interface ConsulAnswer {
  /** What to wait for from here on: X-Consul-Index, at least 1. */
  readonly index: number;
  /** None for what does not exist (404). */
  readonly elements: AsyncIterable<unknown>;
}

const longConnections = 70;
const sharedConnections = 30;
const otherConnections = 32;

/** How long a query waits that shares its connection, in ms. */
const sharedWaitMs = 1_000;

/** Consul adds up to a sixteenth to each wait, so that queries of one instant do not end at one instant. */
const waitJitter = 1 + 1 / 16;

/** How long a reply may take beyond the wait, in ms. */
const answerMs = 5_000;

/** How long the body of a reply may take, in ms: 10 MB over a slow line. */
const bodyMs = 60_000;

/** What Consul says in an error is repeated up to this length. */
export const maxReasonLength = 200;

/** Talks to the Consul of one registry. */
export class ConsulClient {
  readonly settings: ConsulSettings;
  private readonly clock: Clock;
  private readonly long: RegistryClient;
  private readonly shared: RegistryClient;
  private readonly other: RegistryClient;
  private longCount = 0;
  private sharedCount = 0;

  constructor(settings: ConsulSettings, clock: Clock) {
    const { name, hosts, tls, token } = settings;
    const options = { name, hosts, tls, clock, headers: () => token.headers() };
    this.settings = settings;
    this.clock = clock;
    this.long = new RegistryClient({ ...options, connections: longConnections });
    this.shared = new RegistryClient({ ...options, connections: sharedConnections });
    this.other = new RegistryClient({ ...options, connections: otherConnections });
  }

  /**
   * Sends a request.
   *
   * @throws MeshError `INMESH_REGISTRY` without an answer, and for a status that is none.
   */
  async send({ what, query = {}, body, accept = [], path, ...rest }: ConsulRequest): Promise<RegistryReply> {
    const reply = await this.other.send({
      ...rest,
      path: withQuery(path, query),
      ...(body === undefined ? undefined : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    if (reply.status === 200 || accept.includes(reply.status)) return reply;
    throw this.refused(reply.status, reply.text, what, this.other);
  }

  /**
   * Asks for a state, and hands it to `take`.
   *
   * @param index waits until the state is a later one; 0 for the state as it is.
   * @throws MeshError `INMESH_REGISTRY` as {@link send}; the reason of `signal`; and what `take` throws.
   */
  async query<T>(
    question: ConsulQuestion,
    index: number,
    signal: AbortSignal,
    take: (answer: ConsulAnswer) => Promise<T>,
  ): Promise<T> {
    if (index === 0) return this.ask(question, {}, answerMs, this.other, signal, take);
    if (this.longCount < longConnections) {
      this.longCount++;
      const { waitMs } = this.settings;
      const query = { index: String(index), wait: `${waitMs}ms` };
      const ending = this.ask(question, query, waitMs * waitJitter + answerMs, this.long, signal, take);
      return ending.finally(() => this.longCount--);
    }
    this.sharedCount++;
    const waitMs = Math.min(sharedWaitMs, this.settings.waitMs);
    const rounds = Math.ceil(this.sharedCount / sharedConnections);
    const query = { index: String(index), wait: `${waitMs}ms` };
    const timeoutMs = rounds * (waitMs * waitJitter + answerMs);
    return this.ask(question, query, timeoutMs, this.shared, signal, take).finally(() => this.sharedCount--);
  }

  /**
   * What `read` makes of an answer about `what`.
   *
   * @throws MeshError `INMESH_REGISTRY` for one that is no JSON, or not of the form that `read` expects (SyntaxError).
   */
  understood<T>(what: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.named(what, error);
    }
  }

  /** An error of the registry about `what`, without the token. */
  error(what: string, reason: string): MeshError {
    const { name, token } = this.settings;
    return new MeshError('INMESH_REGISTRY', token.scrub(`${name}: ${what}: ${reason}`));
  }

  /** Ends all queries; requests go on to be sent until {@link close}. */
  async closeQueries(): Promise<void> {
    await Promise.all([this.long.close(), this.shared.close()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.closeQueries(), this.other.close()]);
  }

  private async ask<T>(
    { path, query, what }: ConsulQuestion,
    waiting: QueryParameters,
    timeoutMs: number,
    client: RegistryClient,
    signal: AbortSignal,
    take: (answer: ConsulAnswer) => Promise<T>,
  ): Promise<T> {
    const { scope, freshness } = this.settings;
    const controller = new AbortController();
    const abort = () => controller.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener('abort', abort, { once: true });
    const late = () => controller.abort(this.error(what, `the reply has not ended after ${bodyMs} ms`));
    let timer: object | undefined;
    try {
      const stream = await client.stream({
        method: 'GET',
        path: withQuery(path, { ...query, ...scope, ...freshness, ...waiting }),
        timeoutMs,
        signal: controller.signal,
        background: true,
      });
      timer = this.clock.setBackgroundTimer(late, bodyMs);
      return await take(await this.answer(stream, what, client));
    } catch (error) {
      throw this.named(what, error);
    } finally {
      if (timer !== undefined) this.clock.clearTimer(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  private async answer(stream: RegistryStream, what: string, client: RegistryClient): Promise<ConsulAnswer> {
    const { status, headers, body } = stream;
    if (status !== 200) {
      const text = await startOf(body);
      if (status !== 404) throw this.refused(status, text, what, client);
    }
    const header = headers['x-consul-index'];
    if (typeof header !== 'string' || !/^\d+$/.test(header)) {
      if (status === 200) await startOf(body);
      throw this.error(what, `status ${status} without X-Consul-Index; is this a Consul?`);
    }
    // An index of 0 would not wait.
    return { index: Math.max(1, Number(header)), elements: status === 200 ? jsonElements(body) : noElements() };
  }

  private named(what: string, error: unknown): unknown {
    return error instanceof SyntaxError ? this.error(what, error.message) : error;
  }

  private refused(status: number, text: string, what: string, client: RegistryClient): MeshError {
    // A server that has no leader, or too much to do, is not the one to ask next.
    if (status === 429 || status >= 500) client.rotate();
    const reason = this.settings.token.scrub(text.trim()).slice(0, maxReasonLength);
    return this.error(what, `${status === 403 ? 'permission denied' : 'refused'}, status ${status}: ${reason}`);
  }
}

function withQuery(path: string, query: QueryParameters): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? path : `${path}?${text}`;
}

/** The path of a key, whose slashes are those of the path. */
export function keyPath(key: string): string {
  return `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** Reads enough of a body to say what it is about. */
async function startOf(body: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const part of body) {
    text += part.toString('utf8');
    // The token may be cut where the text is, so there is more of it than is told.
    if (text.length > 10 * maxReasonLength) break;
  }
  return text;
}

async function* noElements(): AsyncGenerator<never> {}
