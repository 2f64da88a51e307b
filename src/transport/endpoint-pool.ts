/**
 * How does an attempt reach its endpoint? Over an undici `Pool` of its own: one per endpoint, with its own connector,
 * because undici's TLS session cache is keyed by host name without port, and so confuses two servers of one host. It is
 * made at the first attempt: a registry may name thousands of endpoints, and a pool takes 30 µs.
 *
 * undici's own timers are off; the deadlines of the mesh are exact, its are not (100 ms fire at about 770 ms).
 */
import type { Dispatcher } from 'undici';
import type { Attempt } from '../core/attempt.ts';
import type { HeaderList } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import { type Endpoint, endpointKey } from '../core/endpoint.ts';
import type { Operation } from '../core/operation.ts';
import type { Reply } from '../core/reply.ts';
import { buildConnector, Pool } from '../core/undici.ts';
import { findHeader } from '../http/header-list.ts';
import { type Connecting, type Connector, connectWithin } from './connect-within.ts';
import { Exchange, type ExchangeContext } from './exchange.ts';
import { isRewindable, sentOnce } from './refusal.ts';
import { SpareConnections } from './spare-connections.ts';
import type { TlsErrorCodes } from './transport-errors.ts';
import type { TransportOptions } from './transport-options.ts';
import { tryConnect } from './try-connect.ts';

/** How the connections of a pool are secured; made by the assembly from the TLS settings of the service. */
export interface SecureTransport {
  readonly connector: Connector;
  readonly serverName: string;
  readonly errorCodes: TlsErrorCodes;
}

/** The connections of one endpoint, as the mesh sees them: an undici pool, or the fake of a simulation. */
export interface Transport {
  /** Sends the attempt. Settles at the head, or with a mesh error or the reason of a cancellation. */
  send(attempt: Attempt): Promise<Reply>;
  /** As {@link send}, but over a connection of its own, which is kept for the next: a question takes no call's place. */
  probe(attempt: Attempt): Promise<Reply>;
  /** Makes a connection, with its handshake, and drops it. Rejects as the connection does, or when it is cancelled. */
  connect(operation: Operation): Promise<void>;
  /** Apart from those of probes, how many connections are open and how many requests run or wait in undici. */
  readonly stats: { readonly connected: number; readonly running: number; readonly pending: number };
  /** Finishes what runs, then closes. */
  close(): Promise<void>;
  /** Breaks what runs. */
  destroy(reason: Error): Promise<void>;
}

/** The connections to one endpoint. */
export class EndpointPool implements Transport {
  private readonly endpoint: Endpoint;
  private readonly options: TransportOptions;
  private readonly clock: Clock;
  private readonly secure: SecureTransport | undefined;
  private pool: Pool | undefined = undefined;
  private probes: Pool | undefined = undefined;
  private readonly context: ExchangeContext;
  private readonly serverName: string;
  private readonly h2: boolean;
  private readonly connecting: Connecting = new Set();
  private readonly spares: SpareConnections | undefined;
  /** Of {@link close} or {@link destroy}; undici refuses to close what is destroyed. */
  private ended: Promise<void> | undefined = undefined;

  constructor(endpoint: Endpoint, options: TransportOptions, clock: Clock, secure: SecureTransport | undefined) {
    this.endpoint = endpoint;
    this.options = options;
    this.clock = clock;
    this.secure = secure;
    this.h2 = options.h2;
    this.context = { wallTime: () => clock.wallTime(), tlsErrorCodes: secure?.errorCodes };
    // Without one undici looks at every Host header whether it is an address; in cleartext it is not used.
    this.serverName = secure?.serverName ?? 'cleartext';
    // An endpoint with spares is connected to before its first attempt.
    this.spares = options.minIdleConnections > 0 && !options.h2 ? this.makeSpares() : undefined;
  }

  send(attempt: Attempt): Promise<Reply> {
    this.pool ??= this.openPool(this.spares?.connect ?? this.makeConnector(), this.options.connections);
    return this.dispatch(attempt, this.pool);
  }

  probe(attempt: Attempt): Promise<Reply> {
    this.probes ??= this.openPool(this.makeConnector(), 1);
    return this.dispatch(attempt, this.probes);
  }

  private dispatch(attempt: Attempt, pool: Pool): Promise<Reply> {
    const exchange = new Exchange(attempt, this.context);
    const { call } = attempt;
    // The exchange has rejected already.
    if (attempt.cancelled || call.cancelled) return exchange.promise;
    let body: unknown = null;
    try {
      body = call.body === null ? null : call.body.open();
    } catch (error) {
      exchange.fail(error);
      return exchange.promise;
    }
    let { headers } = attempt;
    if (this.h2 && !call.idempotent && isRewindable(body)) {
      body = sentOnce(body);
      headers = withLength(headers, call.body?.length);
    }
    pool.dispatch(
      {
        path: call.path,
        method: call.method,
        headers,
        body,
        upgrade: call.upgrade ?? null,
        servername: this.serverName,
      } as unknown as Dispatcher.DispatchOptions,
      exchange,
    );
    return exchange.promise;
  }

  connect(operation: Operation): Promise<void> {
    // What is in the making here is given up by the operation alone.
    const connecting: Connecting = new Set();
    return tryConnect(this.makeConnector(connecting), this.target, connecting, operation);
  }

  get stats(): Transport['stats'] {
    return this.pool?.stats ?? unused;
  }

  close(): Promise<void> {
    this.spares?.close();
    this.ended ??= this.endPools((pool) => pool.close());
    return this.ended;
  }

  destroy(reason: Error): Promise<void> {
    this.spares?.close();
    // undici forgets connections in the making; left alone they would keep the process alive until they time out.
    for (const giveUp of this.connecting) giveUp(reason);
    this.ended = this.endPools((pool) => pool.destroy(reason));
    return this.ended;
  }

  private async endPools(end: (pool: Pool) => Promise<void>): Promise<void> {
    await Promise.all([this.pool && end(this.pool), this.probes && end(this.probes)]);
  }

  private makeConnector(connecting = this.connecting): Connector {
    const { endpoint, options, clock, secure } = this;
    const connector = secure?.connector ?? plainConnector(endpoint, options);
    return connectWithin(connector, options.connectTimeoutMs, clock, connecting);
  }

  /** What undici passes to connectors. */
  private get target(): Parameters<Connector>[0] {
    const { protocol, hostname, port, host } = new URL(originOf(this.endpoint, this.secure !== undefined));
    // As undici passes it: an IPv6 address without its brackets.
    return { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), host, port, servername: this.serverName };
  }

  private makeSpares(): SpareConnections {
    return new SpareConnections(this.makeConnector(), this.options.minIdleConnections, this.target, this.clock);
  }

  private openPool(connect: Connector, connections: number): Pool {
    const { endpoint, options, secure } = this;
    const pool = new Pool(originOf(endpoint, secure !== undefined), {
      connect,
      connections,
      allowH2: options.h2,
      ...(options.h2 && secure === undefined ? { useH2c: true } : undefined),
      bodyTimeout: 0,
      headersTimeout: 0,
      keepAliveTimeout: options.idleTimeoutMs,
      ...(options.maxRequestsPerConnection > 0
        ? { maxRequestsPerClient: options.maxRequestsPerConnection }
        : undefined),
    });
    // It refuses what comes after the end, as one does that was used before.
    if (this.ended !== undefined) void pool.close();
    return pool;
  }
}

function plainConnector({ socketPath }: Endpoint, { h2 }: TransportOptions): Connector {
  return buildConnector({
    allowH2: h2,
    timeout: 0,
    ...(h2 ? { useH2c: true } : undefined),
    ...(socketPath === undefined ? undefined : { socketPath }),
  }) as Connector;
}

const unused: Transport['stats'] = Object.freeze({ connected: 0, running: 0, pending: 0 });

function originOf(endpoint: Endpoint, secure: boolean): string {
  const scheme = secure ? 'https' : 'http';
  return endpoint.socketPath === undefined ? `${scheme}://${endpointKey(endpoint)}` : `${scheme}://localhost`;
}

/** undici states the length of a body that it can rewind, and of no other. */
function withLength(headers: HeaderList, length: number | undefined): HeaderList {
  if (length === undefined || findHeader(headers, 'content-length') !== undefined) return headers;
  return [...headers, 'content-length', String(length)];
}
