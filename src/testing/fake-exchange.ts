/**
 * What happens to one request on a fake connection? It runs through what a real one does: connect, start, wait for a
 * worker, head, body, with one timer at a time; and it drives the mesh's own listener as undici would, through the same
 * handler and the same controller.
 */
import type { Dispatcher } from 'undici';
import type { Attempt } from '../core/attempt.ts';
import type { Timer } from '../core/clock.ts';
import type { Exchange } from '../transport/exchange.ts';
import type { BodyProfile, Fault } from './endpoint-profile.ts';
import type { FakeServer } from './fake-server.ts';
import { networkErrors } from './network-errors.ts';
import { readRequestBody } from './read-request-body.ts';

/** What an exchange tells the transport that it belongs to. */
export interface FakeExchangeOwner {
  readonly connectTimeoutMs: number;
  /** The server sees the request. `processed` is false when it says that it refuses it. */
  received(attempt: Attempt, processed: boolean): void;
  ended(exchange: FakeExchange): void;
}

type Controller = Dispatcher.DispatchController;

const defaultLatencyMs = 5;
const defaultBodyBytes = 16;
const defaultSlowChunks = 8;

/** One request at a fake endpoint; also the controller that the mesh holds. */
export class FakeExchange {
  readonly rawHeaders = undefined;
  readonly rawTrailers = undefined;
  aborted = false;
  paused = false;
  reason: unknown = null;
  private readonly attempt: Attempt;
  private readonly handler: Exchange;
  private readonly server: FakeServer;
  private readonly owner: FakeExchangeOwner;
  private readonly fault: Fault | undefined;
  private timer: Timer | undefined = undefined;
  /** Gives the worker of the server back. */
  private leave: (() => void) | undefined = undefined;
  /** Undefined before the server works on it. */
  private workEndsAt: number | undefined = undefined;
  /** Gives the worker back once the server has done what nobody waits for. */
  private abandoned: (() => void) | undefined = undefined;
  private started = false;
  private over = false;
  /** A piece of the body that came due while the mesh had paused. */
  private held: (() => void) | undefined = undefined;

  constructor(attempt: Attempt, handler: Exchange, server: FakeServer, owner: FakeExchangeOwner) {
    this.attempt = attempt;
    this.handler = handler;
    this.server = server;
    this.owner = owner;
    this.fault = server.drawFault();
  }

  /** Begins to connect. */
  begin(): void {
    const connectMs = this.server.draw(this.server.profile.connectMs ?? 0);
    if (this.fault?.kind === 'refuse-connection') {
      this.after(connectMs, () => this.fail(networkErrors.connectionRefused()));
    } else if (this.fault?.kind === 'connect-timeout') {
      this.after(this.owner.connectTimeoutMs, () => this.fail(networkErrors.connectTimedOut()));
    } else if (connectMs === 0) this.start();
    else this.after(connectMs, () => this.start());
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    const { held } = this;
    this.held = undefined;
    held?.();
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.fail(reason as Error);
  }

  /** The connection is gone: tells the mesh, unless the exchange is over. */
  fail(error: Error): void {
    if (this.over) return;
    this.end();
    this.handler.onResponseError(this.started ? this.controller : null, error);
  }

  private get controller(): Controller {
    return this as unknown as Controller;
  }

  private start(): void {
    this.started = true;
    this.handler.onRequestStart(this.controller);
    if (this.over) return;
    const { body } = this.attempt.call;
    let read: Buffer | Promise<Buffer>;
    try {
      read = readRequestBody(body === null ? null : body.open());
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    if (Buffer.isBuffer(read)) this.receive();
    else {
      read.then(
        () => this.receive(),
        (error) => this.fail(error),
      );
    }
  }

  private receive(): void {
    if (this.over) return;
    const kind = this.fault?.kind;
    this.owner.received(this.attempt, kind !== 'refuse-stream');
    if (this.over) return;
    if (kind === 'refuse-stream') this.after(0, () => this.fail(networkErrors.streamRefused()));
    else if (kind !== 'stall') {
      this.leave = this.server.admit(() => this.work());
      if (this.leave === undefined) this.after(0, () => this.answer(503, {}));
    }
  }

  private work(): void {
    const { server, fault } = this;
    const extraMs = fault?.kind === 'slow-head' ? server.draw(fault.extra) : 0;
    const workMs = server.draw(server.profile.latency ?? defaultLatencyMs) + extraMs;
    this.workEndsAt = server.clock.now() + workMs;
    if (this.abandoned !== undefined) {
      server.clock.setTimer(this.abandoned, workMs);
      return;
    }
    this.after(workMs, () => {
      if (fault?.kind === 'reset-before-head') this.fail(networkErrors.connectionReset());
      else if (fault?.kind === 'status') this.answer(fault.status, fault.headers ?? {});
      else this.answer(server.profile.status ?? 200, server.profile.headers ?? {});
    });
  }

  private answer(status: number, headers: Readonly<Record<string, string>>): void {
    this.handler.onResponseStart(this.controller, status, headers, '');
    if (this.over) return;
    const { fault } = this;
    const own = this.server.profile.body ?? {};
    const body: BodyProfile =
      fault?.kind === 'slow-body' ? { ...own, everyMs: fault.everyMs, chunks: fault.chunks ?? defaultSlowChunks } : own;
    const empty = this.attempt.call.method === 'HEAD' || status === 204 || status === 304;
    const bytes = empty ? 0 : (body.bytes ?? defaultBodyBytes);
    const chunks = bytes === 0 ? 0 : Math.min(body.chunks ?? 1, bytes);
    const broken = fault?.kind === 'reset-in-body' || fault?.kind === 'stall-in-body';
    const last = broken ? Math.floor(chunks / 2) : chunks;
    this.send(Buffer.alloc(chunks === 0 ? 0 : Math.ceil(bytes / chunks), 'x'), last, body.everyMs ?? 0);
  }

  /** Sends a piece `left` times, each after its time, then ends as the fault says. */
  private send(chunk: Buffer, left: number, everyMs: NonNullable<BodyProfile['everyMs']>): void {
    if (this.over) return;
    if (this.paused) {
      this.held = () => this.send(chunk, left, everyMs);
      return;
    }
    if (left === 0) {
      this.finish();
      return;
    }
    const next = () => {
      if (this.paused) {
        this.held = next;
        return;
      }
      this.handler.onResponseData(this.controller, chunk);
      this.send(chunk, left - 1, everyMs);
    };
    const ms = this.server.draw(everyMs);
    if (ms === 0) next();
    else this.after(ms, next);
  }

  private finish(): void {
    if (this.fault?.kind === 'stall-in-body') return;
    if (this.fault?.kind === 'reset-in-body') {
      this.after(0, () => this.fail(networkErrors.otherSideClosed()));
      return;
    }
    this.end();
    this.handler.onResponseEnd(this.controller);
  }

  private leaveServer(): void {
    const { leave, server } = this;
    this.leave = undefined;
    if (leave === undefined) return;
    if (!this.aborted || server.profile.capacity?.finishesAbandoned !== true) leave();
    else if (this.workEndsAt === undefined) this.abandoned = leave;
    else server.clock.setTimer(leave, Math.max(0, this.workEndsAt - server.clock.now()));
  }

  private after(ms: number, callback: () => void): void {
    this.timer = this.server.clock.setTimer(() => {
      this.timer = undefined;
      callback();
    }, ms);
  }

  private end(): void {
    this.over = true;
    this.held = undefined;
    if (this.timer !== undefined) this.server.clock.clearTimer(this.timer);
    this.timer = undefined;
    this.leaveServer();
    this.owner.ended(this);
  }
}
