/**
 * What does `mesh.fetch` do beyond sending the call? What the fetch standard asks of a client without a browser:
 * reading the input in all its forms, redirects, content decoding, and errors of fetch's kind.
 */
import type { CallOptions } from '../core/call-options.ts';
import { meshErrorOf } from '../core/errors.ts';
import type { Reply } from '../core/reply.ts';
import { decodedBody } from '../http/content-decoding.ts';
import { MeshResponse } from '../http/mesh-response.ts';
import { parseTarget } from '../http/target.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import type { Overrides } from '../mesh/overrides.ts';
import { cancelBySignal } from './cancel-by-signal.ts';
import { type FetchRequest, readFetchInput } from './fetch-input.ts';
import { redirected } from './fetch-redirect.ts';
import type { ServiceUrl } from './service-url.ts';

type FetchInput = string | URL | Request;

/** `RequestInit`, and the overrides of this call. */
export type MeshRequestInit = RequestInit & { mesh?: CallOptions };

/**
 * `fetch` into the mesh. Everything that fetch takes; a real `Response`.
 *
 * Rejects as fetch does: with a `TypeError` whose `cause` is the `MeshError`, or with the reason of the signal.
 */
export type MeshFetch<S extends string = string> = (
  input: ServiceUrl<S> | URL | Request,
  init?: MeshRequestInit,
) => Promise<Response>;

/** Makes `mesh.fetch`. */
export function makeFetch(engine: MeshEngine, view: Overrides | undefined): MeshFetch {
  return (input, init) => {
    try {
      const request = readFetchInput(input, init);
      const overrides = engine.overrides(view, init?.mesh);
      return send(engine, overrides, request, input, init);
    } catch (error) {
      return Promise.reject(fetchError(error));
    }
  };
}

function send(
  engine: MeshEngine,
  overrides: Overrides | undefined,
  request: FetchRequest,
  input: FetchInput,
  init: MeshRequestInit | undefined,
): Promise<Response> {
  const target = parseTarget(request.url);
  const call =
    target &&
    engine.start({
      secure: target.secure,
      authority: target.authority,
      path: target.path,
      method: request.method,
      headers: request.headers,
      body: request.body,
      overrides,
    });
  if (call === undefined) return passOn(request, input, init);
  const { signal } = request;
  const replied = signal === undefined ? engine.run(call) : cancelBySignal(call, signal, engine.run);
  return replied.then(
    (reply) => {
      if (reply.status < 300 || reply.status > 399) return toResponse(request, reply);
      const next = redirected(request, reply);
      if (next === undefined) return toResponse(request, reply);
      if (next instanceof Error) throw next;
      void reply.body.dump();
      try {
        return send(engine, engine.overridesOfRest(call, overrides), next, input, init);
      } catch (error) {
        throw fetchError(error);
      }
    },
    (error) => {
      throw signal?.aborted && error === signal.reason ? error : fetchError(error);
    },
  );
}

/** Another scheme (data:, blob:), or ALLOW_ANY: as if there were no mesh. */
function passOn(request: FetchRequest, input: FetchInput, init: MeshRequestInit | undefined): Promise<Response> {
  const { mesh: _, ...rest } = init ?? {};
  if (request.hops === 0) return globalThis.fetch(input, rest);
  // The caller's method, headers and credentials were for where the redirects began.
  const { url, method, body, signal = null } = request;
  const headers: [string, string][] = [];
  for (let index = 0; index < request.headers.length; index += 2) {
    headers.push([request.headers[index] as string, request.headers[index + 1] as string]);
  }
  return globalThis.fetch(url, { method, headers, body: body as NonNullable<RequestInit['body']> | null, signal });
}

function toResponse(request: FetchRequest, reply: Reply): Response {
  const { status, headers } = reply;
  const encoding = headers['content-encoding'];
  const bodiless = status === 204 || status === 205 || status === 304 || request.method === 'HEAD';
  if (bodiless) discardSilently(reply);
  const body = bodiless ? null : typeof encoding === 'string' ? decodedBody(reply.body, encoding) : reply.body;
  return new MeshResponse({ status, statusText: reply.statusText, headers, body, request }) as unknown as Response;
}

/** A server may send bytes where the status allows none; they are not shown, and the connection is kept if it can be. */
function discardSilently(reply: Reply): void {
  if (!reply.body.complete) void reply.body.dump(0);
}

/** fetch's error for ours; the caller's own reason of cancellation stays what it is, whatever its cause. */
function fetchError(error: unknown): unknown {
  return error !== undefined && meshErrorOf(error) === error ? new TypeError('fetch failed', { cause: error }) : error;
}
