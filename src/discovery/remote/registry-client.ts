/**
 * How do drivers talk to registries? With small JSON requests and long streams over undici, to one of several servers.
 * The next server is tried when there was no connection, and nothing else is ever sent twice: what a request may have
 * done, its driver knows. Errors name the registry and the server, and no secret.
 */
import type { Pool as UndiciPool } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import { Pool } from '../../core/undici.ts';
import { isConnectError, type RegistryTls, registryConnector } from './registry-connector.ts';

/** How a client is made. */
export interface RegistryClientOptions {
  /** Of the registry, for error messages; without secrets. */
  readonly name: string;
  /** `host:port` of its servers, in order of preference. At least one. */
  readonly hosts: readonly string[];
  /** Undefined for cleartext. */
  readonly tls?: RegistryTls | undefined;
  readonly clock: Clock;
  /** Headers of each request, such as a token; asked for each time. */
  readonly headers?: (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>) | undefined;
  /** The most connections to one server; further requests wait. Default 128. */
  readonly connections?: number;
  /** How long a connection may take, in ms. Default 2,000. */
  readonly connectTimeoutMs?: number;
}

/** A request. */
export interface RegistryRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the end of the reply, of a stream until its head, in ms, waits for a connection included. Default 5,000. */
  readonly timeoutMs?: number;
  /** Ends the request or the stream. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the process may exit before the reply. Default false. */
  readonly background?: boolean;
}

/** A reply that has come whole. */
export interface RegistryReply {
  /** The server that gave it, as in {@link RegistryClientOptions.hosts}. */
  readonly host: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A reply that comes in parts. */
export interface RegistryStream {
  readonly host: string;
  readonly status: number;
  readonly headers: RegistryReply['headers'];
  /** Ends with the reply; throws when it breaks. Leaving the loop ends the reply. */
  readonly body: AsyncIterable<Buffer>;
}

const defaultTimeoutMs = 5_000;
const defaultConnectTimeoutMs = 2_000;
const defaultConnections = 128;
/** A whole reply beyond this is no answer of a registry. */
const maxTextBytes = 64 * 1024 * 1024;

/** Talks to the servers of one registry. */
export class RegistryClient {
  private readonly options: RegistryClientOptions;
  private readonly pools = new Map<string, UndiciPool>();
  /** Index of the server that answered last. */
  private preferred = 0;
  private closed = false;

  constructor(options: RegistryClientOptions) {
    this.options = options;
  }

  /**
   * Sends a request and reads the reply as a whole, whatever its status.
   *
   * @throws MeshError `INMESH_REGISTRY` when there is none in time; the reason of `signal` when that is aborted.
   */
  async send(request: RegistryRequest): Promise<RegistryReply> {
    return this.receive(request, async ({ body, ...head }) => {
      const parts: Buffer[] = [];
      let size = 0;
      for await (const part of body) {
        size += part.length;
        if (size > maxTextBytes) throw new Error(`the reply has more than ${maxTextBytes} bytes`);
        parts.push(part);
      }
      return { ...head, text: Buffer.concat(parts).toString('utf8') };
    });
  }

  /**
   * Sends a request and lets `read` take the reply as it comes, its body to the end or in a loop that it leaves. Both
   * are within the time of the request.
   *
   * @throws as {@link send}; what `read` throws is named, unless its message begins with the name of the registry.
   */
  async receive<T>(request: RegistryRequest, read: (reply: RegistryStream) => Promise<T>): Promise<T> {
    return this.within(request, async (signal, asked) => read(await this.start(request, signal, asked)));
  }

  /**
   * Sends a request and answers with the head of the reply; its body may take for ever.
   *
   * @throws as {@link send}.
   */
  async stream(request: RegistryRequest): Promise<RegistryStream> {
    const { signal } = request;
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const end = () => signal?.removeEventListener('abort', abort);
    try {
      const reply = await this.within(request, (timed, asked) => {
        const late = () => controller.abort(timed.reason);
        timed.addEventListener('abort', late, { once: true });
        return this.start(request, controller.signal, asked).finally(() => timed.removeEventListener('abort', late));
      });
      return { ...reply, body: this.told(reply.body, request, end) };
    } catch (error) {
      end();
      throw error;
    }
  }

  /**
   * The next request goes to the next server.
   *
   * @param from only when it would go to this one: of the requests that fail at one server, the first turns away from it.
   */
  rotate(from?: string): void {
    const { hosts } = this.options;
    if (from !== undefined && from !== hosts[this.preferred]) return;
    this.preferred = (this.preferred + 1) % hosts.length;
  }

  /** Ends everything under way. */
  async close(): Promise<void> {
    this.closed = true;
    const error = this.closedError();
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy(error)));
  }

  /** The first server from the preferred one on that a connection can be made to. */
  private async start(
    request: RegistryRequest,
    signal: AbortSignal,
    asked: (host: string) => void,
  ): Promise<RegistryStream> {
    const { hosts, headers } = this.options;
    const own = await headers?.();
    const first = this.preferred;
    for (let tries = 1; ; tries++) {
      const host = hosts[(first + tries - 1) % hosts.length] as string;
      asked(host);
      // While headers were made, or another server was tried.
      if (this.closed) throw this.closedError();
      try {
        const { method, path, body } = request;
        const reply = await this.pool(host).request({
          method,
          path,
          signal,
          headersTimeout: 0,
          bodyTimeout: 0,
          headers: {
            ...(body === undefined ? undefined : { 'content-type': 'application/json' }),
            ...own,
            ...request.headers,
          },
          ...(body === undefined ? undefined : { body }),
        });
        return { host, status: reply.statusCode, headers: reply.headers, body: reply.body };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        this.rotate(host);
        if (!isConnectError(error) || tries >= hosts.length) throw error;
      }
    }
  }

  /** Bounds `run` by the time of `request`, and names what fails. */
  private async within<T>(
    request: RegistryRequest,
    run: (signal: AbortSignal, asked: (host: string) => void) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.options;
    const { timeoutMs = defaultTimeoutMs, signal, background = false } = request;
    if (this.closed) throw this.closedError();
    signal?.throwIfAborted();
    const controller = new AbortController();
    const late = () => controller.abort(new Error(`no answer within ${timeoutMs} ms`));
    const timer = background ? clock.setBackgroundTimer(late, timeoutMs) : clock.setTimer(late, timeoutMs);
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    let last: string | undefined;
    const asked = (host: string) => {
      last = host;
    };
    try {
      return await run(controller.signal, asked);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      // A server that stopped answering is not the one to ask next.
      if (controller.signal.aborted) this.rotate(last);
      throw this.named(error, request);
    } finally {
      clock.clearTimer(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  private async *told(body: AsyncIterable<Buffer>, request: RegistryRequest, end: () => void): AsyncGenerator<Buffer> {
    try {
      yield* body;
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      throw this.named(error, request);
    } finally {
      end();
    }
  }

  private closedError(): MeshError {
    return new MeshError('INMESH_CLOSED', `${this.options.name}: the registry is closed`);
  }

  private named(error: unknown, { method, path }: RegistryRequest): Error {
    const { name } = this.options;
    if (error instanceof MeshError && error.message.startsWith(name)) return error;
    const cause = error as Error & { code?: string; errors?: readonly Error[] };
    // An AggregateError of several addresses has no message of its own.
    const reason = cause.errors?.[0]?.message ?? (cause.message || cause.code);
    return new MeshError('INMESH_REGISTRY', `${name}: ${method} ${withoutQuery(path)}: ${reason}`, { cause });
  }

  private pool(host: string): UndiciPool {
    let pool = this.pools.get(host);
    if (pool === undefined) {
      const { tls, connections = defaultConnections, connectTimeoutMs = defaultConnectTimeoutMs } = this.options;
      pool = new Pool(`${tls === undefined ? 'http' : 'https'}://${host}`, {
        connections,
        pipelining: 1,
        connect: registryConnector(tls, connectTimeoutMs),
      });
      this.pools.set(host, pool);
    }
    return pool;
  }
}

/** A query may hold a token. */
function withoutQuery(path: string): string {
  return path.replace(/\?.*$/s, '');
}
