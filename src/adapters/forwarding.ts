/**
 * What stands between a call of the mesh and a handler of undici? This: the controller that the handler holds, and the
 * sink that the reply flows into. When it is done it lets go of both sides: undici's streams live on for a while, and
 * what they hold costs a copy at each collection of garbage.
 */
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Call } from '../core/call.ts';
import { MeshError } from '../core/errors.ts';
import type { BodySink, Reply } from '../core/reply.ts';
import { callerReason, ownReason } from '../http/caller-reason.ts';
import { parsedTrailers } from '../http/trailers.ts';
import type { MeshEngine } from '../mesh/engine.ts';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

/** One call on its way to a handler. */
export class Forwarding implements BodySink {
  rawHeaders: readonly Buffer[] | null = null;
  rawTrailers: readonly Buffer[] | null = null;
  aborted = false;
  paused = false;
  reason: unknown = null;
  private call: Call | undefined;
  private handler: Handler | undefined;
  private reply: Reply | undefined = undefined;
  /** `held`: the handler has paused before the first byte of the body. */
  private phase: 'head' | 'held' | 'flowing' = 'head';

  constructor(call: Call, handler: Handler) {
    this.call = call;
    this.handler = handler;
  }

  /** Starts the handler, then the call. */
  run(engine: Pick<MeshEngine, 'run'>): void {
    const call = this.call as Call;
    try {
      this.handler?.onRequestStart?.(this as unknown as Controller, {});
    } catch (error) {
      this.abort(error);
    }
    if (this.aborted) {
      call.body?.discard(this.reason);
      this.error(this.reason);
      return;
    }
    engine.run(call).then(
      (reply) => this.head(reply),
      (error) => this.error(error),
    );
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.phase === 'held') this.flow();
    else if (this.phase === 'flowing') this.reply?.body.resume();
  }

  abort(reason: unknown): void {
    if (this.aborted || this.handler === undefined) return;
    this.aborted = true;
    this.reason = reason ?? new MeshError('INMESH_ABORTED', 'the caller cancelled the call');
    const reasonInside = callerReason(this.reason);
    if (this.reply === undefined) this.call?.cancel(reasonInside);
    else {
      this.reply.body.destroy(reasonInside);
      if (this.phase === 'held') this.flow();
    }
  }

  data(chunk: Uint8Array): boolean {
    if (this.aborted) return true;
    try {
      this.handler?.onResponseData?.(this as unknown as Controller, chunk as Buffer);
    } catch (error) {
      this.abort(error);
    }
    return !this.paused;
  }

  end(rawTrailers: readonly Buffer[]): void {
    if (this.aborted) return;
    this.rawTrailers = rawTrailers;
    const handler = this.release();
    try {
      handler?.onResponseEnd?.(this as unknown as Controller, parsedTrailers(rawTrailers));
    } catch (error) {
      handler?.onResponseError?.(this as unknown as Controller, error as Error);
    }
    this.forgetHeaders();
  }

  error(error: unknown): void {
    this.release()?.onResponseError?.(this as unknown as Controller, ownReason(error) as Error);
    this.forgetHeaders();
  }

  private head(reply: Reply): void {
    const { handler } = this;
    if (this.aborted || handler === undefined) {
      reply.body.destroy(this.reason);
      this.error(this.reason);
      return;
    }
    this.reply = reply;
    this.rawHeaders = reply.rawHeaders;
    if (reply.socket !== undefined) {
      this.upgraded(reply, reply.socket);
      return;
    }
    try {
      handler.onResponseStarted?.();
      handler.onResponseStart?.(this as unknown as Controller, reply.status, reply.headers as never, reply.statusText);
    } catch (error) {
      this.abort(error);
    }
    if (this.aborted) this.error(this.reason);
    else if (this.paused) this.hold(reply);
    else this.flow();
  }

  /** Not a byte until the handler resumes; but it is told at once when the body fails. */
  private hold(reply: Reply): void {
    this.phase = 'held';
    reply.onEnd(() => {
      if (this.phase === 'held' && !reply.body.complete) this.flow();
    });
  }

  private flow(): void {
    this.phase = 'flowing';
    this.reply?.body.forward(this);
  }

  private upgraded(reply: Reply, socket: Duplex): void {
    const handler = this.release();
    try {
      if (handler?.onRequestUpgrade === undefined) {
        throw new MeshError('INMESH_REQUEST', 'the server switched protocols, and the handler has no onRequestUpgrade');
      }
      handler.onRequestUpgrade(this as unknown as Controller, reply.status, reply.headers as never, socket);
    } catch (error) {
      reply.body.destroy(error);
      handler?.onResponseError?.(this as unknown as Controller, error as Error);
    }
  }

  private forgetHeaders(): void {
    this.rawHeaders = null;
    this.rawTrailers = null;
  }

  /** The handler, for its last event; whatever comes later finds none. */
  private release(): Handler | undefined {
    const { handler } = this;
    this.handler = undefined;
    this.call = undefined;
    this.reply = undefined;
    return handler;
  }
}
