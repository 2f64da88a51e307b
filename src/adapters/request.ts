/**
 * Why `mesh.request` beside `mesh.fetch`? It has the shape of undici's `request`, and is the fast lane: no `Response`,
 * no stream unless asked for one.
 */
import type { Dispatcher } from 'undici';
import type { CallOptions } from '../core/call-options.ts';
import { MeshError } from '../core/errors.ts';
import type { Reply } from '../core/reply.ts';
import { request as undiciRequest } from '../core/undici.ts';
import { formAsBlob, withTypeOf } from '../http/body-type.ts';
import { type HeaderInput, toHeaderList } from '../http/header-list.ts';
import type { BodyInput } from '../http/request-body.ts';
import { parseTarget, pathWithQuery } from '../http/target.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import type { Overrides } from '../mesh/overrides.ts';
import { cancelBySignal } from './cancel-by-signal.ts';
import { MeshRequestResult } from './request-result.ts';
import type { ServiceUrl } from './service-url.ts';

/** Options of {@link MeshRequest}: those of `undici.request` that are about the request, and the overrides. */
export interface MeshRequestOptions {
  /** Default `GET`. */
  method?: string;
  headers?: HeaderInput;
  /** A string, bytes, a Blob, a stream, an iterable, or a function that makes one for each attempt. */
  body?: BodyInput;
  /** Appended to the path. */
  query?: Readonly<Record<string, unknown>>;
  signal?: AbortSignal | undefined;
  /** Handed through to the result. */
  opaque?: unknown;
  /** Overrides of this call. */
  mesh?: CallOptions;
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

/** Makes `mesh.request`. */
export function makeRequest(engine: MeshEngine, view: Overrides | undefined): MeshRequest {
  return (url, options = noOptions) => {
    try {
      const target = parseTarget(url);
      if (target === undefined) throw new MeshError('INMESH_REQUEST', `${String(url)} is neither http nor https`);
      const body = formAsBlob(options.body);
      const call = engine.start({
        secure: target.secure,
        authority: target.authority,
        path: options.query === undefined ? target.path : pathWithQuery(target.path, options.query),
        method: options.method ?? 'GET',
        headers: withTypeOf(body, toHeaderList(options.headers)),
        body,
        overrides: engine.overrides(view, options.mesh),
      });
      if (call === undefined) return passOn(url, options);
      const { signal } = options;
      const replied = signal === undefined ? engine.run(call) : cancelBySignal(call, signal, engine.run);
      return replied.then(
        options.opaque === undefined ? toResult : (reply) => new MeshRequestResult(reply, options.opaque),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

const toResult = (reply: Reply) => new MeshRequestResult(reply, null);

/** ALLOW_ANY: a host that the mesh does not know is called as if there were no mesh. */
async function passOn(url: string | URL, options: MeshRequestOptions): Promise<MeshRequestResult> {
  const { mesh: _, body, ...rest } = options;
  const made = formAsBlob(typeof body === 'function' ? body() : body);
  return (await undiciRequest(url, {
    ...rest,
    body: made,
  } as unknown as Dispatcher.RequestOptions)) as unknown as MeshRequestResult;
}
