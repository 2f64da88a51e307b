/**
 * Who pays for a handshake? Usually the call that needs one connection more: a round trip, with TLS two and some CPU. Spare
 * connections are made ahead, so that a burst finds some (Envoy's preconnecting; the minimum of a Finagle pool). A
 * connection that is taken is replaced; one that breaks, or is old, too. Old ones one after the other, so that there are
 * always some.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../core/clock.ts';
import type { Connector } from './connect-within.ts';

/** A spare is replaced after this at the latest, in ms: servers hang up on those who stay silent, most after a minute. */
const maxAgeMs = 20_000;

/** Those that are made together grow old over this part of {@link maxAgeMs}. */
const spread = 0.5;

/** How long to wait after a failed connection, or one that broke, doubled each time up to the second figure, in ms. */
const [firstRetryMs, longestRetryMs] = [1_000, 30_000];

/** After any of these a connection is of no use. */
const endings = ['error', 'close', 'end'];

type Options = Parameters<Connector>[0];

/** A connection that waits. */
interface Spare {
  readonly socket: Socket;
  readonly expiry: Timer;
  readonly onGone: () => void;
}

/** Keeps some connections ready that nobody uses yet. They do not keep the process alive. */
export class SpareConnections {
  private readonly connector: Connector;
  private readonly count: number;
  private readonly options: Options;
  private readonly clock: Clock;
  private readonly ready: Spare[] = [];
  private making = 0;
  private retryMs = firstRetryMs;
  private retry: Timer | undefined = undefined;
  private closed = false;

  /**
   * @param count how many are kept, > 0.
   * @param options what undici passes for this endpoint.
   */
  constructor(connector: Connector, count: number, options: Options, clock: Clock) {
    this.connector = connector;
    this.count = count;
    this.options = options;
    this.clock = clock;
    this.fill();
  }

  /** How many wait now. */
  get size(): number {
    return this.ready.length;
  }

  /** For undici: a spare one at once, else a new one. */
  readonly connect: Connector = (options, callback) => {
    const spare = this.ready.pop();
    if (spare === undefined) return this.connector(options, callback);
    this.release(spare);
    spare.socket.ref();
    this.retryMs = firstRetryMs;
    this.fill();
    // undici expects the answer after the call.
    queueMicrotask(() => callback(null, spare.socket));
  };

  /** Lets go of all of them; makes no more. */
  close(): void {
    this.closed = true;
    if (this.retry !== undefined) this.clock.clearTimer(this.retry);
    this.retry = undefined;
    for (const spare of this.ready.splice(0)) {
      this.release(spare);
      discard(spare.socket);
    }
  }

  private fill(): void {
    while (!this.closed && this.retry === undefined && this.ready.length + this.making < this.count) this.make();
  }

  private make(): void {
    this.making++;
    this.connector(this.options, (error, socket) => {
      this.making--;
      if (error !== null) this.later();
      else if (this.closed) discard(socket);
      else this.keep(socket);
    });
  }

  private keep(socket: Socket): void {
    const onGone = () => {
      // At once, an endpoint that hangs up on silent connections would be connected to without end.
      if (this.drop(spare)) this.later();
    };
    const onExpiry = () => {
      this.drop(spare);
      // Nobody hung up on it.
      this.retryMs = firstRetryMs;
      this.fill();
    };
    const ageMs = maxAgeMs * (1 - (spread * this.ready.length) / this.count);
    const expiry = this.clock.setBackgroundTimer(onExpiry, ageMs);
    const spare: Spare = { socket, expiry, onGone };
    for (const event of endings) socket.once(event, onGone);
    socket.unref();
    this.ready.push(spare);
  }

  /** It is of no use any more. Answers whether it was kept until now. */
  private drop(spare: Spare): boolean {
    const index = this.ready.indexOf(spare);
    if (index < 0) return false;
    this.ready.splice(index, 1);
    this.release(spare);
    discard(spare.socket);
    return true;
  }

  private later(): void {
    if (this.closed || this.retry !== undefined) return;
    this.retry = this.clock.setBackgroundTimer(() => {
      this.retry = undefined;
      this.fill();
    }, this.retryMs);
    this.retryMs = Math.min(2 * this.retryMs, longestRetryMs);
  }

  private release({ socket, expiry, onGone }: Spare): void {
    this.clock.clearTimer(expiry);
    for (const event of endings) socket.off(event, onGone);
  }
}

function discard(socket: Socket): void {
  socket.on('error', () => {
    // Nobody waits for it.
  });
  socket.destroy();
}
