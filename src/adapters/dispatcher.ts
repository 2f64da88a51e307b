/**
 * How does any undici client use the mesh? Through this `Dispatcher`: built-in fetch, undici's fetch, request, stream,
 * pipeline and everything that takes one. It follows no redirects and decodes nothing: its caller does.
 *
 * Three rules make it safe under retries. The handler sees `onRequestStart` once, synchronously, with a controller of
 * ours (fetch passes no signal; its abort arrives only there). It sees one head: the one the mesh committed to. And the
 * body goes straight from the leaf to the handler, with its back-pressure.
 */
import { Dispatcher, Dispatcher1Wrapper } from 'undici';
import type { Call } from '../core/call.ts';
import type { CallOptions } from '../core/call-options.ts';
import { MeshError } from '../core/errors.ts';
import type { BodySink, Reply } from '../core/reply.ts';
import { type HeaderInput, toHeaderList } from '../http/header-list.ts';
import type { BodyInput } from '../http/request-body.ts';
import { parseTarget, pathWithQuery } from '../http/target.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import type { Overrides } from '../mesh/overrides.ts';

type Handler = Dispatcher.DispatchHandler;

/** What undici's clients pass, and `mesh`: overrides of the call (undici.request hands unknown options through). */
type Options = Dispatcher.DispatchOptions & { mesh?: CallOptions };

/** A dispatcher that sends requests into the mesh, and those to unknown hosts to `unknown`, or refuses them. */
export class MeshDispatcher extends Dispatcher {
  private readonly engine: MeshEngine;
  private readonly view: Overrides | undefined;
  private readonly unknown: Dispatcher | undefined;

  constructor(engine: MeshEngine, view: Overrides | undefined, unknown: Dispatcher | undefined) {
    super();
    this.engine = engine;
    this.view = view;
    this.unknown = unknown;
  }

  override dispatch(options: Options, given: Handler): boolean {
    // Built-in fetch of Node 22 and 24 passes handlers of undici 7's protocol.
    const handler = given.onRequestStart === undefined ? legacy(given) : given;
    let call: Call | undefined;
    try {
      call = this.start(options);
    } catch (error) {
      handler.onResponseError?.(null as never, error as Error);
      return false;
    }
    if (call === undefined) return (this.unknown as Dispatcher).dispatch(options, given);
    new Forwarding(call, handler).run(this.engine);
    return true;
  }

  /** The call, or `undefined` for a request that goes on as if there were no mesh. */
  private start(options: Options): Call | undefined {
    const target = parseTarget(`${String(options.origin ?? '').replace(/\/$/, '')}/`);
    if (target === undefined) throw new MeshError('INMESH_REQUEST', 'the mesh speaks http and https');
    const call = this.engine.start({
      secure: target.secure,
      authority: target.authority,
      path: options.query ? pathWithQuery(options.path, options.query) : options.path,
      method: options.method,
      headers: toHeaderList(options.headers as HeaderInput),
      body: options.body as BodyInput,
      overrides: this.engine.overrides(this.view, overridesOf(options)),
      upgrade: typeof options.upgrade === 'string' ? options.upgrade : undefined,
      passUnknown: this.unknown !== undefined,
    });
    return call;
  }

  /** Does nothing: the mesh is closed by `mesh.close()`, not by a client of its dispatcher. */
  override close(callback?: () => void): Promise<void> {
    callback?.();
    return Promise.resolve();
  }

  /** Does nothing, as {@link close}. */
  override destroy(first?: unknown, second?: unknown): Promise<void> {
    for (const callback of [first, second]) if (typeof callback === 'function') callback();
    return Promise.resolve();
  }
}

function legacy(handler: Handler): Handler {
  const wrapper = Dispatcher1Wrapper as unknown as { wrapHandler(handler: Handler): Handler };
  return wrapper.wrapHandler(handler);
}

/** The options of undici that are overrides in the mesh. */
function overridesOf(options: Options): CallOptions | undefined {
  const { mesh, headersTimeout, bodyTimeout, idempotent } = options;
  if (headersTimeout == null && bodyTimeout == null && idempotent === undefined) return mesh;
  return {
    ...(headersTimeout == null ? undefined : { headTimeoutMs: headersTimeout || false }),
    ...(bodyTimeout == null ? undefined : { bodyIdleMs: bodyTimeout || false }),
    ...(idempotent === undefined ? undefined : { idempotent }),
    ...mesh,
  };
}

/** One call on its way to a handler: the controller that the handler holds, and the sink that the body flows into. */
class Forwarding implements BodySink {
  rawHeaders: readonly Buffer[] | null = null;
  rawTrailers: readonly Buffer[] | null = null;
  aborted = false;
  paused = false;
  reason: unknown = null;
  private readonly call: Call;
  private readonly handler: Handler;
  private reply: Reply | undefined = undefined;
  private done = false;

  constructor(call: Call, handler: Handler) {
    this.call = call;
    this.handler = handler;
  }

  run(engine: MeshEngine): void {
    try {
      this.handler.onRequestStart?.(this as unknown as Dispatcher.DispatchController, {});
    } catch (error) {
      this.abort(error);
    }
    if (this.aborted) {
      this.call.body?.discard(this.reason);
      this.error(this.reason);
      return;
    }
    engine.run(this.call).then(
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
    if (!this.done) this.reply?.body.resume();
  }

  abort(reason: unknown): void {
    if (this.aborted || this.done) return;
    this.aborted = true;
    this.reason = reason ?? new MeshError('INMESH_ABORTED', 'the caller cancelled the call');
    if (this.reply !== undefined) this.reply.body.destroy(this.reason);
    else this.call.cancel(this.reason);
  }

  data(chunk: Uint8Array): boolean {
    if (this.done || this.aborted) return true;
    try {
      this.handler.onResponseData?.(this as unknown as Dispatcher.DispatchController, chunk as Buffer);
    } catch (error) {
      this.abort(error);
    }
    return !this.paused;
  }

  end(rawTrailers: readonly Buffer[]): void {
    if (this.done || this.aborted) return;
    this.done = true;
    this.rawTrailers = rawTrailers;
    try {
      this.handler.onResponseEnd?.(this as unknown as Dispatcher.DispatchController, trailersOf(rawTrailers));
    } catch (error) {
      this.handler.onResponseError?.(this as unknown as Dispatcher.DispatchController, error as Error);
    }
  }

  error(error: unknown): void {
    if (this.done) return;
    this.done = true;
    this.handler.onResponseError?.(this as unknown as Dispatcher.DispatchController, error as Error);
  }

  private head(reply: Reply): void {
    if (this.aborted) {
      reply.body.destroy(this.reason);
      this.error(this.reason);
      return;
    }
    this.reply = reply;
    this.rawHeaders = reply.rawHeaders;
    const { handler } = this;
    const controller = this as unknown as Dispatcher.DispatchController;
    try {
      if (reply.socket !== undefined) {
        this.done = true;
        handler.onRequestUpgrade?.(controller, reply.status, reply.headers as never, reply.socket);
        return;
      }
      handler.onResponseStarted?.();
      handler.onResponseStart?.(controller, reply.status, reply.headers as never, reply.statusText);
    } catch (error) {
      this.abort(error);
    }
    if (this.aborted) this.error(this.reason);
    else reply.body.forward(this);
  }
}

const noTrailers = Object.freeze({});

function trailersOf(raw: readonly Buffer[]): Record<string, string> {
  if (raw.length === 0) return noTrailers;
  const trailers: Record<string, string> = {};
  for (let index = 0; index + 1 < raw.length; index += 2) {
    trailers[String(raw[index]).toLowerCase()] = (raw[index + 1] as Buffer).toString('latin1');
  }
  return trailers;
}
