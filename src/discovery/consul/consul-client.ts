/**
 * How does the driver talk to Consul? With plain requests, and with queries that wait for a change (blocking queries).
 * Which query gets a connection, and for how long it waits, is decided in `consul-places.ts`.
 */
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import { jsonElements } from '../remote/json-elements.ts';
import {
  RegistryClient,
  type RegistryReply,
  type RegistryRequest,
  type RegistryStream,
} from '../remote/registry-client.ts';
import {
  ConsulPlaces,
  isTurnedAway,
  longPlaces,
  otherConnections,
  type QueryPlace,
  sharedPlaces,
} from './consul-places.ts';
import type { ConsulSettings, QueryParameters } from './consul-settings.ts';

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
  /** Whether a change may be told some seconds late. Default false. */
  readonly isPatient?: boolean;
}

/** The state of something. It has to be read whole or given up by leaving the loop. */
export interface ConsulAnswer {
  /** What to wait for from here on: X-Consul-Index, at least 1. */
  readonly index: number;
  /** None for what does not exist (404). */
  readonly elements: AsyncIterable<unknown>;
  /** Whether the token may not see all of it. Told by Consul 1.11 and later, and to a token alone. */
  readonly isFiltered: boolean;
}

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
  private readonly places: ConsulPlaces;
  private readonly long: RegistryClient;
  private readonly shared: RegistryClient;
  /** First questions, and what is no question. */
  private readonly other: RegistryClient;

  constructor(settings: ConsulSettings, clock: Clock) {
    const { name, hosts, tls, token } = settings;
    const options = { name, hosts, tls, clock, headers: () => token.headers() };
    this.settings = settings;
    this.clock = clock;
    this.places = new ConsulPlaces(clock, settings.waitMs);
    this.long = new RegistryClient({ ...options, connections: longPlaces });
    this.shared = new RegistryClient({ ...options, connections: sharedPlaces });
    this.other = new RegistryClient({ ...options, connections: otherConnections });
  }

  /**
   * Sends a request.
   *
   * @throws MeshError `INMESH_REGISTRY` without an answer, and for a status that is none.
   */
  async send({ what, query = {}, body, accept = [], path, ...rest }: ConsulRequest): Promise<RegistryReply> {
    const startedAt = this.clock.now();
    try {
      const reply = await this.other.send({
        ...rest,
        path: withQuery(path, query),
        ...(body === undefined ? undefined : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      if (reply.status === 200 || accept.includes(reply.status)) return reply;
      throw this.refused(reply.status, reply.text, what, this.other);
    } catch (error) {
      throw this.explained(what, error, startedAt);
    }
  }

  /**
   * Asks for a state, and hands it to `take`.
   *
   * @param index waits until the state is a later one; 0 for the state as it is.
   * @param signal of the watch, the same for each of its questions. A query that waits is not ended by it, and is heard
   * no more: its connection stays occupied on the server, and so does its place here.
   * @throws MeshError `INMESH_REGISTRY` as {@link send}; the reason of `signal`; and what `take` throws.
   */
  async query<T>(
    question: ConsulQuestion,
    index: number,
    signal: AbortSignal,
    take: (answer: ConsulAnswer) => Promise<T>,
  ): Promise<T> {
    const { isPatient = false } = question;
    const place = await (index === 0 ? this.places.forFirst(signal) : this.places.forWaiting(signal, isPatient));
    const asking = this.ask(question, index, place, signal, take);
    const leave = () => place.leave();
    asking.then(leave, leave);
    return unlessAborted(asking, signal);
  }

  /** Asks for a state as it is while another answer is taken, without a place of its own: it might wait for itself. */
  state<T>(question: ConsulQuestion, signal: AbortSignal, take: (answer: ConsulAnswer) => Promise<T>): Promise<T> {
    return this.ask(question, 0, { kind: 'first', waitMs: 0 }, signal, take);
  }

  /**
   * Finds out whether `path` may be read, where the answer of another question hides that it may not.
   *
   * @param path of something whose reading Consul refuses (403) to who lacks the rights for it.
   * @throws MeshError `INMESH_REGISTRY` when it may not, or there is no answer.
   */
  async assertReadable(path: string, what: string, signal: AbortSignal): Promise<void> {
    const { scope, freshness } = this.settings;
    const query = { ...scope, ...freshness };
    const { status, text } = await this.other.send({
      method: 'GET',
      path: withQuery(path, query),
      signal,
      background: true,
    });
    if (status === 403) throw this.refused(status, text, what, this.other);
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
      throw error instanceof SyntaxError ? this.error(what, error.message) : error;
    }
  }

  /** An error of the registry about `what`, without the token. */
  error(what: string, reason: string): MeshError {
    const { name, token } = this.settings;
    return new MeshError('INMESH_REGISTRY', token.scrub(`${name}: ${what}: ${reason}`));
  }

  /** The index of a reply. @throws MeshError `INMESH_REGISTRY` for a reply that has none. */
  indexOf(what: string, { status, headers }: Pick<RegistryReply, 'status' | 'headers'>): number {
    const header = headers['x-consul-index'];
    if (typeof header === 'string' && /^\d+$/.test(header)) return Number(header);
    throw this.error(what, `status ${status} without X-Consul-Index; is this a Consul?`);
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
    index: number,
    { kind, waitMs }: Pick<QueryPlace, 'kind' | 'waitMs'>,
    signal: AbortSignal,
    take: (answer: ConsulAnswer) => Promise<T>,
  ): Promise<T> {
    const { scope, freshness } = this.settings;
    const client = kind === 'first' ? this.other : this[kind];
    const waiting: QueryParameters = index === 0 ? {} : { index: String(index), wait: `${waitMs}ms` };
    const startedAt = this.clock.now();
    const controller = new AbortController();
    const abort = () => controller.abort(signal.reason);
    signal.throwIfAborted();
    if (index === 0) signal.addEventListener('abort', abort, { once: true });
    const late = () => controller.abort(this.error(what, `the reply has not ended after ${bodyMs} ms`));
    let timer: object | undefined;
    try {
      const stream = await client.stream({
        method: 'GET',
        path: withQuery(path, { ...query, ...scope, ...freshness, ...waiting }),
        timeoutMs: waitMs * waitJitter + answerMs,
        signal: controller.signal,
        background: true,
      });
      timer = this.clock.setBackgroundTimer(late, bodyMs);
      signal.addEventListener('abort', abort, { once: true });
      // Nobody listens any more, and the server is done with it: its connection may go.
      if (signal.aborted) abort();
      signal.throwIfAborted();
      return await take(await this.answer(stream, what, client));
    } catch (error) {
      throw this.explained(what, error, startedAt);
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
    try {
      return {
        // An index of 0 would not wait.
        index: Math.max(1, this.indexOf(what, stream)),
        elements: status === 200 ? jsonElements(body) : noElements(),
        isFiltered: headers['x-consul-results-filtered-by-acls'] === 'true',
      };
    } catch (error) {
      if (status === 200) await startOf(body);
      throw error;
    }
  }

  /** The error of a question or request about `what`; whether there were too many connections is seen here. */
  private explained(what: string, error: unknown, startedAt: number): unknown {
    if (error instanceof SyntaxError) return this.error(what, error.message);
    if (!isTurnedAway(error, this.clock.now() - startedAt)) return error;
    this.places.turnedAway();
    const hint = 'closed at once, as a Consul does with more than limits.http_max_conns_per_client of one address';
    return new MeshError('INMESH_REGISTRY', `${error.message}; ${hint}`, { cause: error.cause });
  }

  private refused(status: number, text: string, what: string, client: RegistryClient): MeshError {
    // A server that has no leader, or too much to do, is not the one to ask next.
    if (status === 429 || status >= 500) client.rotate();
    if (status === 429) this.places.turnedAway();
    const reason = this.settings.token.scrub(text.trim()).slice(0, maxReasonLength);
    return this.error(what, `${status === 403 ? 'permission denied' : 'refused'}, status ${status}: ${reason}`);
  }
}

function withQuery(path: string, query: QueryParameters): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Settles as `promise`, or rejects at once with the reason when `signal` is aborted. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
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
