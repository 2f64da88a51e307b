/**
 * What listens to undici on behalf of one attempt? An own handler that aborts through undici's controller: an
 * `AbortSignal` would cost more than everything else the mesh does for the attempt.
 *
 * It also keeps the promise that matters most: undici may start a request a second time by itself (HTTP/2 streams
 * after GOAWAY); a second start of a request that is not idempotent and that a server may have seen is refused here.
 */
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Attempt } from '../core/attempt.ts';
import { MeshError } from '../core/errors.ts';
import { outcomeOfHead } from '../core/outcome.ts';
import type { ParsedHeaders } from '../core/parsed-headers.ts';
import type { Reply } from '../core/reply.ts';
import { IncomingReply } from '../http/incoming-reply.ts';
import { isRefusal } from './refusal.ts';
import { type TlsErrorCodes, transportError } from './transport-errors.ts';

type Controller = Dispatcher.DispatchController;

/** What an exchange needs from its pool. */
export interface ExchangeContext {
  readonly wallTime: () => number;
  readonly tlsErrorCodes: TlsErrorCodes | undefined;
}

/** One request and its reply on a connection. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly promise: Promise<Reply>;
  private readonly attempt: Attempt;
  private readonly context: ExchangeContext;
  private resolve!: (reply: Reply) => void;
  private reject!: (error: unknown) => void;
  private controller: Controller | undefined = undefined;
  private reply: IncomingReply | undefined = undefined;
  private settled = false;
  private readonly onCancel = (reason: unknown) => this.abort(reason);

  constructor(attempt: Attempt, context: ExchangeContext) {
    this.attempt = attempt;
    this.context = context;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    attempt.onCancel(this.onCancel);
  }

  onRequestStart(controller: Controller): void {
    const attempt = this.attempt;
    const again = this.controller !== undefined;
    this.controller = controller;
    if (this.settled) {
      // It was cancelled while it waited for its connection.
      controller.abort(new MeshError('INMESH_ABORTED', 'the attempt was cancelled before it started'));
    } else if (again && attempt.sent === 'maybe' && !attempt.call.idempotent) {
      controller.abort(new MeshError('INMESH_RESET', 'a request that is not idempotent is not sent twice'));
    } else {
      attempt.sent = 'maybe';
    }
  }

  onResponseStart(controller: Controller, status: number, headers: ParsedHeaders, statusText?: string): void {
    // Informational heads (100, 103) come through here too; the final one follows.
    if (status < 200 || this.settled) return;
    const raw = (controller as unknown as { rawHeaders?: unknown }).rawHeaders;
    const reply = new IncomingReply(
      status,
      statusText ?? '',
      headers,
      Array.isArray(raw) ? (raw as Buffer[]) : undefined,
      outcomeOfHead(status, headers, this.context.wallTime),
      controller as unknown as { pause(): void; resume(): void; abort(reason: unknown): void },
    );
    // Last, so that whatever fails above still ends the attempt.
    this.settled = true;
    this.reply = reply;
    this.resolve(reply);
  }

  onResponseData(_controller: Controller, chunk: Uint8Array): void {
    this.reply?.body.push(chunk);
  }

  onResponseEnd(controller: Controller): void {
    this.attempt.offCancel(this.onCancel);
    const raw = (controller as unknown as { rawTrailers?: unknown }).rawTrailers;
    this.reply?.body.finish(Array.isArray(raw) && raw.length > 0 ? (raw as Buffer[]) : undefined);
  }

  onRequestUpgrade(controller: Controller, status: number, headers: ParsedHeaders, socket: Duplex): void {
    if (this.settled) {
      socket.destroy();
      return;
    }
    const control = { pause() {}, resume() {}, abort: () => void socket.destroy() };
    const raw = (controller as unknown as { rawHeaders?: unknown }).rawHeaders;
    const outcome = outcomeOfHead(status, headers, this.context.wallTime);
    const reply = new IncomingReply(status, '', headers, Array.isArray(raw) ? raw : undefined, outcome, control);
    reply.socket = socket;
    this.settled = true;
    this.reply = reply;
    socket.once('close', () => {
      this.attempt.offCancel(this.onCancel);
      reply.body.finish();
    });
    this.resolve(reply);
  }

  onResponseError(_controller: Controller | null, error: Error): void {
    this.attempt.offCancel(this.onCancel);
    if (isRefusal(error) && this.attempt.sent === 'maybe') this.attempt.sent = 'refused';
    const meshError = transportError(error, this.attempt, this.context.tlsErrorCodes);
    if (this.reply !== undefined) this.reply.body.fail(meshError);
    else this.fail(meshError);
  }

  /** Ends the exchange with `error` before undici saw it. */
  fail(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.attempt.offCancel(this.onCancel);
    this.reject(error);
  }

  private abort(reason: unknown): void {
    if (this.reply !== undefined) this.reply.body.destroy(reason);
    else {
      // First here, so that the caller gets this very reason and not what undici makes of it.
      this.fail(reason);
      // Without a controller the request is still waiting for its connection; it is aborted when it would start.
      this.controller?.abort(reason as Error);
    }
  }
}
