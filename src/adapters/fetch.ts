/**
 * What does `mesh.fetch` do beyond sending the call? What the fetch standard asks of a client without a browser:
 * reading the input in all its forms, redirects, content decoding, and errors of fetch's kind.
 */
import type { Call } from '../core/call.ts';
import type { CallOptions } from '../core/call-options.ts';
import type { Clock } from '../core/clock.ts';
import { meshErrorOf } from '../core/errors.ts';
import type { Reply, ReplyBody } from '../core/reply.ts';
import { ownReason } from '../http/caller-reason.ts';
import { decodedBody } from '../http/content-decoding.ts';
import { MeshResponse } from '../http/mesh-response.ts';
import { discardInput } from '../http/request-body.ts';
import { parseTarget, type Target } from '../http/target.ts';
import type { MeshEngine } from '../mesh/engine.ts';
import type { Overrides } from '../mesh/overrides.ts';
import { cancelBySignal } from './cancel-by-signal.ts';
import { type FetchRequest, readFetchInput } from './fetch-input.ts';
import { verifiedBody } from './fetch-integrity.ts';
import { redirected } from './fetch-redirect.ts';
import { gatheredBody } from './gathered-body.ts';
import { passSignal } from './pass-signal.ts';
import type { ServiceUrl } from './service-url.ts';

type FetchInput = string | URL | Request;

/** `RequestInit`, and the overrides of this call. */
export type MeshRequestInit = RequestInit & { mesh?: CallOptions | null };

/**
 * `fetch` into the mesh. Everything that fetch takes; a real `Response`.
 *
 * Rejects as fetch does: with a `TypeError` whose `cause` is the `MeshError`, or with the reason of the signal.
 */
export type MeshFetch<S extends string = string> = (
  input: ServiceUrl<S> | URL | Request,
  init?: MeshRequestInit,
) => Promise<Response>;

/** One call of `mesh.fetch`, and where it is made. */
interface Fetching {
  readonly engine: MeshEngine;
  readonly clock: Clock;
  readonly input: FetchInput;
  readonly init: MeshRequestInit | undefined;
}

/** Makes `mesh.fetch`. */
export function makeFetch(engine: MeshEngine, clock: Clock, view: Overrides | undefined): MeshFetch {
  return (input, given) => {
    try {
      // As fetch, which takes null for no init.
      const init = given ?? undefined;
      const request = readFetchInput(input, init);
      const overrides = engine.overrides(view, init?.mesh ?? undefined);
      const fetching: Fetching = { engine, clock, input, init };
      if (input instanceof Request && request.body !== null && request.body === input.body) {
        return sendGathered(fetching, overrides, request, input.body);
      }
      return send(fetching, overrides, request);
    } catch (error) {
      return Promise.reject(fetchError(error));
    }
  };
}

async function sendGathered(
  fetching: Fetching,
  overrides: Overrides | undefined,
  request: FetchRequest,
  body: ReadableStream<Uint8Array>,
): Promise<Response> {
  try {
    return await send(fetching, overrides, request.withBody(await gatheredBody(body, fetching.clock)));
  } catch (error) {
    throw fetchError(error);
  }
}

function send(fetching: Fetching, overrides: Overrides | undefined, request: FetchRequest): Promise<Response> {
  const { engine } = fetching;
  const target = parseTarget(request.url);
  const call = target && start(engine, overrides, request, target);
  if (call === undefined) {
    const asked = target && engine.ask(target.secure, target.authority);
    if (asked === undefined) return passOn(fetching, overrides, request);
    return asked.then(() => send(fetching, overrides, request));
  }
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
        return send(fetching, engine.overridesOfRest(call, overrides), next);
      } catch (error) {
        throw fetchError(error);
      }
    },
    (error) => {
      throw sendError(request, error);
    },
  );
}

function start(
  engine: MeshEngine,
  overrides: Overrides | undefined,
  request: FetchRequest,
  target: Target,
): Call | undefined {
  const { method, headers, body } = request;
  const { secure, authority, path } = target;
  try {
    return engine.start({ secure, authority, path, method, headers, body, overrides });
  } catch (error) {
    discardInput(body, error);
    throw error;
  }
}

/** Another scheme (data:, blob:), or ALLOW_ANY: as if there were no mesh, but within `timeoutMs`. */
function passOn(
  { clock, input, init }: Fetching,
  overrides: Overrides | undefined,
  request: FetchRequest,
): Promise<Response> {
  const { mesh: _, ...rest } = init ?? {};
  const signal = passSignal(clock, overrides, request.signal, request.url);
  const sent =
    request.hops === 0 ? globalThis.fetch(input, firstInit(input, request, rest, signal)) : passHop(request, signal);
  return sent.catch((error) => {
    throw sendError(request, error);
  });
}

/** What the caller gave, with the signal that also ends it in time, and the body of a `Request` that was read ahead. */
function firstInit(
  input: FetchInput,
  { signal: own, body }: FetchRequest,
  rest: RequestInit,
  signal: AbortSignal | undefined,
): RequestInit {
  const readAhead =
    input instanceof Request && input.bodyUsed ? { body: body as BodyInit, duplex: 'half' as const } : {};
  return { ...rest, ...readAhead, ...(signal === own ? undefined : { signal: signal ?? null }) };
}

/** The caller's method, headers and credentials were for where the redirects began. */
function passHop(request: FetchRequest, signal: AbortSignal | undefined): Promise<Response> {
  const { url, method, body, integrity } = request;
  const headers: [string, string][] = [];
  for (let index = 0; index < request.headers.length; index += 2) {
    headers.push([request.headers[index] as string, request.headers[index + 1] as string]);
  }
  return globalThis.fetch(url, { method, headers, body: body as BodyInit | null, signal: signal ?? null, integrity });
}

type BodyInit = NonNullable<RequestInit['body']>;

function toResponse(request: FetchRequest, reply: Reply): Response | Promise<Response> {
  const { status, headers } = reply;
  const encoding = headers['content-encoding'];
  const bodiless = status === 204 || status === 205 || status === 304 || request.method === 'HEAD';
  if (bodiless) discardSilently(reply);
  // Several lines of a header are one list (RFC 9110, 5.3).
  const body = bodiless ? null : encoding === undefined ? reply.body : decodedBody(reply.body, String(encoding));
  if (request.integrity !== '') return verified(request, reply, body);
  return responseOf(request, reply, body);
}

function responseOf(request: FetchRequest, reply: Reply, body: ReplyBody | null): Response {
  const { status, statusText, headers } = reply;
  return new MeshResponse({ status, statusText, headers, body, request }) as unknown as Response;
}

async function verified(request: FetchRequest, reply: Reply, body: ReplyBody | null): Promise<Response> {
  try {
    return responseOf(request, reply, await verifiedBody(body, request.integrity));
  } catch (error) {
    const own = ownReason(error);
    throw own === error ? fetchError(error) : own;
  }
}

/** A server may send bytes where the status allows none; they are not shown, and the connection is kept if it can be. */
function discardSilently(reply: Reply): void {
  if (!reply.body.complete) void reply.body.dump(0);
}

/** The caller's reason when he has cancelled the request, else fetch's error. */
function sendError({ signal }: FetchRequest, error: unknown): unknown {
  return signal?.aborted && error === signal.reason ? error : fetchError(error);
}

/** fetch's error for ours; the caller's own reason of cancellation stays what it is, whatever its cause. */
function fetchError(error: unknown): unknown {
  return error !== undefined && meshErrorOf(error) === error ? new TypeError('fetch failed', { cause: error }) : error;
}
