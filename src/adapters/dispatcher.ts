/**
 * How does any undici client use the mesh? Through this `Dispatcher`: built-in fetch, undici's fetch, request, stream,
 * pipeline and everything that takes one. It follows no redirects and decodes nothing: its caller does.
 *
 * Three rules make it safe under retries. The handler sees `onRequestStart` once, synchronously, with a controller of
 * ours (fetch passes no signal; its abort arrives only there). It sees one head: the one the mesh committed to. And the
 * body goes straight from the leaf to the handler, with its back-pressure.
 */
import type { Dispatcher as Undici } from 'undici';
import type { Call, HeaderList } from '../core/call.ts';
import type { CallOptions } from '../core/call-options.ts';
import { MeshError } from '../core/errors.ts';
import { Dispatcher, Dispatcher1Wrapper } from '../core/undici.ts';
import { formAsBlob, withTypeOf } from '../http/body-type.ts';
import { findHeader, type HeaderInput, toHeaderList } from '../http/header-list.ts';
import type { BodyInput } from '../http/request-body.ts';
import { parseTarget, pathWithQuery, type Target } from '../http/target.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import type { Overrides } from '../mesh/overrides.ts';
import { Forwarding } from './forwarding.ts';

type Handler = Undici.DispatchHandler;

/** What undici's clients pass, and `mesh`: overrides of the call (undici.request hands unknown options through). */
type Options = Undici.DispatchOptions & { mesh?: CallOptions };

/** A program that calls more origins than this takes the later ones apart each time. */
const maxTargets = 1_000;

/** A dispatcher that sends requests into the mesh, and those to unknown hosts to `unknown`, or refuses them. */
export class MeshDispatcher extends Dispatcher {
  private readonly engine: MeshEngine;
  private readonly view: Overrides | undefined;
  private readonly unknown: Undici | undefined;
  /** What origins mean, so that each is taken apart once. */
  private readonly targets = new Map<unknown, Target>();

  constructor(engine: MeshEngine, view: Overrides | undefined, unknown: Undici | undefined) {
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
    if (call === undefined) return (this.unknown as Undici).dispatch(options, given);
    new Forwarding(call, handler).run(this.engine);
    return true;
  }

  /** The call, or `undefined` for a request that goes on as if there were no mesh. */
  private start(options: Options): Call | undefined {
    const target = this.targetOf(options.origin);
    const body = formAsBlob(options.body as BodyInput);
    return this.engine.start({
      secure: target.secure,
      authority: target.authority,
      path: options.query ? pathWithQuery(options.path, options.query) : options.path,
      method: options.method,
      headers: withOneLength(withTypeOf(body, toHeaderList(options.headers as HeaderInput))),
      body,
      overrides: this.engine.overrides(this.view, overridesOf(options)),
      upgrade: typeof options.upgrade === 'string' ? options.upgrade : undefined,
      passUnknown: this.unknown !== undefined,
    });
  }

  private targetOf(origin: unknown): Target {
    const known = this.targets.get(origin);
    if (known !== undefined) return known;
    const target = parseTarget(String(origin ?? ''));
    if (target === undefined) throw new MeshError('INMESH_REQUEST', `${String(origin)} is neither http nor https`);
    if (this.targets.size < maxTargets && typeof origin === 'string') this.targets.set(origin, target);
    return target;
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

/** fetch of Node 22 joins a content-length of the caller and its own to `3, 3`, which means 3 (RFC 9110, 8.6). */
function withOneLength(headers: HeaderList): HeaderList {
  const length = findHeader(headers, 'content-length');
  const single = length?.replace(/^(\d+)(?:, \1)+$/, '$1');
  if (single === undefined || single === length) return headers;
  return headers.map((part, index) => (headers[index - 1] === 'content-length' && index % 2 === 1 ? single : part));
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
