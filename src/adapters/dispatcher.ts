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
import { platformDispatcher } from '../core/platform-dispatcher.ts';
import { Agent, Dispatcher, Dispatcher1Wrapper, getGlobalDispatcher } from '../core/undici.ts';
import { formAsBlob, withTypeOf } from '../http/body-type.ts';
import { findHeader, type HeaderInput, toHeaderList } from '../http/header-list.ts';
import { type BodyInput, discardInput } from '../http/request-body.ts';
import { parseTarget, pathWithQuery, type Target } from '../http/target.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import type { Overrides } from '../mesh/overrides.ts';
import { Forwarding } from './forwarding.ts';
import { undiciOverrides } from './undici-overrides.ts';

type Handler = Undici.DispatchHandler;

/** The meshes that have passed a request on, so that it does not go round between global dispatchers. */
const passedBy = Symbol('inmesh.passedBy');

/** What undici's clients pass, and `mesh`: overrides of the call (undici.request hands unknown options through). */
type Options = Undici.DispatchOptions & { mesh?: CallOptions; [passedBy]?: readonly MeshEngine[] };

/** A program that calls more origins than this takes the later ones apart each time. */
const maxTargets = 1_000;

/** Takes what has been passed on and leads back here; made when that happens first. */
let plainAgent: Agent | undefined;

/**
 * A dispatcher that sends requests into the mesh. Those to unknown hosts it passes on, when the document (ALLOW_ANY) or
 * `passUnknown` says so, and refuses otherwise.
 */
export class MeshDispatcher extends Dispatcher {
  private readonly engine: MeshEngine;
  private readonly view: Overrides | undefined;
  private readonly passUnknown: boolean;
  /** What origins mean, so that each is taken apart once. */
  private readonly targets = new Map<unknown, Target>();

  constructor(engine: MeshEngine, view: Overrides | undefined, passUnknown = false) {
    super();
    this.engine = engine;
    this.view = view;
    this.passUnknown = passUnknown;
  }

  override dispatch(options: Options, given: Handler): boolean {
    // Built-in fetch of Node 22 and 24 passes handlers of undici 7's protocol.
    const handler = given.onRequestStart === undefined ? legacy(given) : given;
    let call: Call | undefined;
    try {
      call = this.start(options);
    } catch (error) {
      discardInput(options.body as BodyInput, error);
      handler.onResponseError?.(null as never, error as Error);
      return false;
    }
    if (call === undefined) {
      const { secure, authority } = this.targetOf(options.origin);
      const asked = this.engine.ask(secure, authority);
      if (asked === undefined) return this.passOn(options, given);
      void asked.then(() => this.dispatch(options, given));
      return true;
    }
    new Forwarding(call, handler).run(this.engine);
    return true;
  }

  /**
   * Sends a request on as if there were no mesh: to the global dispatcher of the moment. That may be this one, or lead
   * back here through others; a request that comes a second time goes to a plain agent.
   */
  protected passOn(options: Options, given: Handler): boolean {
    const passed = options[passedBy] ?? [];
    const isLegacy = given.onRequestStart === undefined;
    const again = passed.includes(this.engine);
    // A handler of the undici inside Node goes back to that undici.
    const ofPlatform = isLegacy && !again ? (platformDispatcher() as Undici | undefined) : undefined;
    const marked: Options = { ...options, [passedBy]: [...passed, this.engine] };
    if (ofPlatform !== undefined) return ofPlatform.dispatch(marked, given);
    if (again) plainAgent ??= new Agent();
    const next = again ? (plainAgent as Undici) : getGlobalDispatcher();
    return next.dispatch(marked, isLegacy ? legacy(given) : given);
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
      overrides: this.engine.overrides(this.view, undiciOverrides(options)),
      upgrade: typeof options.upgrade === 'string' ? options.upgrade : undefined,
      passUnknown: this.passUnknown,
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
