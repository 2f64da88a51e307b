/**
 * Why `mesh.request` beside `mesh.fetch`? It has the shape of undici's `request`, and is the fast lane: no `Response`,
 * no stream unless asked for one.
 */
import type { Dispatcher } from 'undici';
import type { Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { Reply } from '../core/reply.ts';
import { request as undiciRequest } from '../core/undici.ts';
import { formAsBlob, withTypeOf } from '../http/body-type.ts';
import { type HeaderInput, toHeaderList } from '../http/header-list.ts';
import { type BodyInput, discardInput } from '../http/request-body.ts';
import { parseTarget, pathWithQuery, type Target } from '../http/target.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import type { Overrides } from '../mesh/overrides.ts';
import { cancelBySignal } from './cancel-by-signal.ts';
import { passSignal } from './pass-signal.ts';
import { passedReply } from './passed-reply.ts';
import { MeshRequestResult } from './request-result.ts';
import type { ServiceUrl } from './service-url.ts';
import { type UndiciOverrides, undiciOverrides } from './undici-overrides.ts';

/** Options of {@link MeshRequest}: those of `undici.request` that are about the request, and the overrides. */
export interface MeshRequestOptions extends UndiciOverrides {
  /** Default `GET`. */
  method?: string;
  headers?: HeaderInput;
  /** A string, bytes, a Blob, a stream, an iterable, or a function that makes one for each attempt. */
  body?: BodyInput;
  /** Appended to the path. */
  query?: Readonly<Record<string, unknown>> | null | undefined;
  signal?: AbortSignal | null | undefined;
  /** Handed through to the result. */
  opaque?: unknown;
}

/**
 * Sends a request into the mesh. Any status is a result, not an error.
 *
 * Rejects with a `MeshError` (see its `code`), or with the reason of `signal`.
 */
export type MeshRequest<S extends string = string> = (
  url: ServiceUrl<S> | URL,
  options?: MeshRequestOptions,
) => Promise<MeshRequestResult>;

const noOptions: MeshRequestOptions = Object.freeze({});

const known: readonly string[] = [
  'method',
  'headers',
  'body',
  'query',
  'signal',
  'opaque',
  'mesh',
  'headersTimeout',
  'bodyTimeout',
  'idempotent',
] satisfies (keyof MeshRequestOptions)[];

/** Makes `mesh.request`. */
export function makeRequest(engine: MeshEngine, clock: Clock, view: Overrides | undefined): MeshRequest {
  const send = (
    url: string | URL,
    options: MeshRequestOptions,
    overrides: Overrides | undefined,
  ): Promise<MeshRequestResult> => {
    const target = parseTarget(url);
    if (target === undefined) throw new MeshError('INMESH_REQUEST', `${String(url)} is neither http nor https`);
    const call = start(engine, overrides, target, options);
    if (call === undefined) {
      const asked = engine.ask(target.secure, target.authority);
      return asked === undefined
        ? passOn(clock, overrides, url, options)
        : asked.then(() => send(url, options, overrides));
    }
    const { signal } = options;
    const replied = signal == null ? engine.run(call) : cancelBySignal(call, signal, engine.run);
    return replied.then(
      options.opaque === undefined ? toResult : (reply) => new MeshRequestResult(reply, options.opaque),
    );
  };
  return (url, given) => {
    try {
      const options = given ?? noOptions;
      for (const name of Object.keys(options)) if (!known.includes(name)) refuseOption(name);
      return send(url, options, engine.overrides(view, undiciOverrides(options)));
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

const toResult = (reply: Reply) => new MeshRequestResult(reply, null);

function start(
  engine: MeshEngine,
  overrides: Overrides | undefined,
  target: Target,
  options: MeshRequestOptions,
): Call | undefined {
  const body = formAsBlob(options.body);
  try {
    return engine.start({
      secure: target.secure,
      authority: target.authority,
      path: options.query == null ? target.path : pathWithQuery(target.path, options.query),
      method: options.method ?? 'GET',
      headers: withTypeOf(body, toHeaderList(options.headers)),
      body,
      overrides,
    });
  } catch (error) {
    discardInput(body, error);
    throw error;
  }
}

function refuseOption(name: string): never {
  throw new MeshError(
    'INMESH_OPTION',
    `unknown option ${name}; known are ${known.join(', ')} (overrides go into mesh)`,
  );
}

/** ALLOW_ANY: a host that the mesh does not know is called as if there were no mesh, but within `timeoutMs`. */
async function passOn(
  clock: Clock,
  overrides: Overrides | undefined,
  url: string | URL,
  options: MeshRequestOptions,
): Promise<MeshRequestResult> {
  const { mesh: _, body, signal, opaque, query, ...rest } = options;
  const made = formAsBlob(typeof body === 'function' ? body() : body);
  const passed = {
    ...rest,
    ...(query == null ? undefined : { query }),
    headers: withTypeOf(made, toHeaderList(options.headers)),
    body: made,
    signal: passSignal(clock, overrides, signal ?? undefined, String(url)),
  };
  const response = await undiciRequest(url, passed as unknown as Dispatcher.RequestOptions);
  return new MeshRequestResult(passedReply(response), opaque ?? null);
}
