/**
 * What takes the place of an undici pool in a simulation? This: the connections of a mesh to one fake endpoint. They
 * report through the listener that undici would report to, so that nothing of the mesh is left out.
 */
import type { Attempt } from '../core/attempt.ts';
import type { Operation } from '../core/operation.ts';
import type { Reply } from '../core/reply.ts';
import type { Transport } from '../transport/endpoint-pool.ts';
import { Exchange } from '../transport/exchange.ts';
import { FakeExchange, type FakeExchangeOwner } from './fake-exchange.ts';
import type { FakeServer } from './fake-server.ts';
import { networkErrors } from './network-errors.ts';

/** Told of what passes through. */
export interface TransportObserver {
  /** The mesh handed an attempt over; it may never reach its server. */
  sent(attempt: Attempt): void;
  /** The server sees the request. `processed` is false when it says that it refuses it. */
  received(attempt: Attempt, processed: boolean): void;
}

/** The connections to one fake endpoint. */
export class FakeTransport implements Transport, FakeExchangeOwner {
  readonly connectTimeoutMs: number;
  private readonly server: FakeServer;
  private readonly observer: TransportObserver;
  private readonly running = new Set<FakeExchange>();
  private closed = false;
  private readonly whenIdle: (() => void)[] = [];

  constructor(server: FakeServer, connectTimeoutMs: number, observer: TransportObserver) {
    this.server = server;
    this.connectTimeoutMs = connectTimeoutMs;
    this.observer = observer;
  }

  get stats(): Transport['stats'] {
    return { connected: this.running.size, running: this.running.size, pending: 0 };
  }

  send(attempt: Attempt): Promise<Reply> {
    this.observer.sent(attempt);
    const exchange = new Exchange(attempt, {
      wallTime: () => this.server.clock.wallTime(),
      tlsErrorCodes: undefined,
    });
    if (attempt.cancelled || attempt.call.cancelled) return exchange.promise;
    if (this.closed) exchange.onResponseError(null, networkErrors.poolClosed());
    else {
      const fake = new FakeExchange(attempt, exchange, this.server, this);
      this.running.add(fake);
      fake.begin();
    }
    return exchange.promise;
  }

  probe(attempt: Attempt): Promise<Reply> {
    return this.send(attempt);
  }

  connect(operation: Operation): Promise<void> {
    const { server, connectTimeoutMs } = this;
    const { clock } = server;
    const kind = server.drawFault()?.kind;
    const isSilent = kind === 'connect-timeout';
    const connectMs = isSilent ? connectTimeoutMs : server.draw(server.profile.connectMs ?? 0);
    return new Promise((resolve, reject) => {
      const onCancel = (reason: unknown) => {
        clock.clearTimer(timer);
        reject(reason);
      };
      const timer = clock.setTimer(() => {
        operation.offCancel(onCancel);
        if (kind === 'refuse-connection') reject(networkErrors.connectionRefused());
        else if (isSilent) reject(networkErrors.connectTimedOut());
        else resolve();
      }, connectMs);
      operation.onCancel(onCancel);
    });
  }

  close(): Promise<void> {
    this.closed = true;
    if (this.running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.whenIdle.push(resolve);
    });
  }

  async destroy(reason: Error): Promise<void> {
    this.closed = true;
    for (const exchange of [...this.running]) exchange.fail(reason);
  }

  received(attempt: Attempt, processed: boolean): void {
    this.observer.received(attempt, processed);
  }

  ended(exchange: FakeExchange): void {
    this.running.delete(exchange);
    if (this.running.size > 0) return;
    for (const resolve of this.whenIdle.splice(0)) resolve();
  }
}
