/**
 * What did the caller of `mesh.fetch` ask for? Read from a URL or a `Request`, and an init, by the rules of the fetch
 * standard; a call without init, by far the most frequent, makes no `Headers` and no `Request`.
 */
import { Readable } from 'node:stream';
import type { HeaderList } from '../core/call.ts';
import { acceptedEncodings } from '../http/content-decoding.ts';
import { normaliseMethod } from '../http/method.ts';
import { multipartBlob } from '../http/multipart.ts';
import type { BodyInput } from '../http/request-body.ts';

type Redirect = 'follow' | 'manual' | 'error';

/** A request of fetch, read. A redirect makes another one of it. */
export class FetchRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: HeaderList;
  readonly body: BodyInput;
  readonly signal: AbortSignal | undefined;
  readonly redirect: Redirect;
  /** How many redirects led here. */
  readonly hops: number;
  /** Digests that the body of the reply must have; empty for any. */
  readonly integrity: string;

  constructor(
    url: string,
    method: string,
    headers: HeaderList,
    body: BodyInput,
    signal: AbortSignal | undefined,
    redirect: Redirect,
    hops: number,
    integrity: string,
  ) {
    this.url = url;
    this.method = method;
    this.headers = headers;
    this.body = body;
    this.signal = signal;
    this.redirect = redirect;
    this.hops = hops;
    this.integrity = integrity;
  }

  /** The same request with its body in another form. */
  withBody(body: BodyInput): FetchRequest {
    const { url, method, headers, signal, redirect, hops, integrity } = this;
    return new FetchRequest(url, method, headers, body, signal, redirect, hops, integrity);
  }

  /** For `response.url`. */
  get hrefWithoutFragment(): string {
    const url = new URL(this.url);
    url.hash = '';
    return url.href;
  }
}

const defaults: HeaderList = Object.freeze([
  'accept',
  '*/*',
  'accept-encoding',
  acceptedEncodings,
  'user-agent',
  'inmesh',
]);

/** @throws TypeError as fetch does. */
export function readFetchInput(input: string | URL | Request, init: RequestInit | undefined): FetchRequest {
  if (input instanceof Request) return readRequest(input, init);
  const url = String(input);
  if (init === undefined) return new FetchRequest(url, 'GET', defaults, null, undefined, 'follow', 0, '');
  const method = methodOf(init.method);
  const [body, contentType] = readBody(init.body ?? null, init);
  requireBodyless(method, body);
  const headers = headersOf(init.headers, contentType);
  const redirect = redirectOf(init.redirect);
  return new FetchRequest(url, method, headers, body, init.signal ?? undefined, redirect, 0, integrityOf(init));
}

function readRequest(request: Request, init: RequestInit | undefined): FetchRequest {
  const own = init?.body ?? null;
  if (own === null && request.body !== null) requireUnread(request.body);
  const [body, contentType] = own === null ? [request.body as BodyInput, undefined] : readBody(own, init ?? {});
  const method = init?.method === undefined ? request.method : methodOf(init.method);
  requireBodyless(method, body);
  const headers = headersOf(init?.headers ?? request.headers, contentType);
  // `signal: null` takes the signal of the request away.
  const signal = init?.signal === undefined ? request.signal : (init.signal ?? undefined);
  const redirect = redirectOf(init?.redirect ?? request.redirect);
  return new FetchRequest(request.url, method, headers, body, signal, redirect, 0, integrityOf(init, request));
}

const token = /^[!#$%&'*+.^_`|~A-Za-z0-9-]+$/;

function methodOf(method: string | undefined): string {
  if (method === undefined) return 'GET';
  if (!token.test(method) || /^(?:connect|trace|track)$/i.test(method)) {
    throw new TypeError(`'${method}' is not a valid HTTP method.`);
  }
  return normaliseMethod(method);
}

function redirectOf(redirect: Redirect | undefined): Redirect {
  if (redirect === undefined || redirect === 'follow' || redirect === 'manual' || redirect === 'error') {
    return redirect ?? 'follow';
  }
  throw new TypeError(`'${String(redirect)}' is not a valid redirect mode; allowed are follow, manual, error.`);
}

function integrityOf(init: RequestInit | undefined, request?: Request): string {
  return String(init?.integrity ?? request?.integrity ?? '');
}

/** A body that the mesh can send, and the type it implies. */
function readBody(body: NonNullable<RequestInit['body']> | null, init: RequestInit): [BodyInput, string | undefined] {
  if (body === null) return [null, undefined];
  if (typeof body === 'string') return [body, 'text/plain;charset=UTF-8'];
  if (body instanceof URLSearchParams) return [String(body), 'application/x-www-form-urlencoded;charset=UTF-8'];
  if (body instanceof Blob) return [body, body.type || undefined];
  if (body instanceof FormData) {
    const blob = multipartBlob(body);
    return [blob, blob.type];
  }
  // The caller may change its bytes while the call is under way.
  if (body instanceof ArrayBuffer) return [new Uint8Array(body.slice(0)), undefined];
  if (ArrayBuffer.isView(body)) {
    return [new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), undefined];
  }
  if (typeof body === 'object' && Symbol.asyncIterator in body) {
    if ((init as { duplex?: string }).duplex !== 'half') {
      throw new TypeError('RequestInit: duplex option is required when sending a body.');
    }
    if (body instanceof ReadableStream) requireUnread(body);
    return [body as AsyncIterable<Uint8Array>, undefined];
  }
  return [String(body), 'text/plain;charset=UTF-8'];
}

function requireBodyless(method: string, body: BodyInput): void {
  if (body === null || (method !== 'GET' && method !== 'HEAD')) return;
  throw new TypeError('Request with GET/HEAD method cannot have body.');
}

function requireUnread(stream: { readonly locked: boolean }): void {
  if (!stream.locked && !Readable.isDisturbed(stream as never)) return;
  throw new TypeError('Response body object should not be disturbed or locked');
}

const plainValue = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** The caller's headers, checked as fetch checks them, and what is missing. */
function headersOf(init: RequestInit['headers'] | undefined, contentType: string | undefined): HeaderList {
  if (init === undefined && contentType === undefined) return defaults;
  const list: string[] = [];
  const record = init as Record<string, unknown> | undefined;
  if (record !== undefined && !isPlain(record, list)) {
    list.length = 0;
    for (const [name, value] of new Headers(init)) list.push(name, value);
  }
  const missing = (name: string) => {
    for (let index = 0; index < list.length; index += 2) if (list[index] === name) return false;
    return true;
  };
  if (contentType !== undefined && missing('content-type')) list.push('content-type', contentType);
  // A part of a compressed body cannot be decoded.
  if (!missing('range') && missing('accept-encoding')) list.push('accept-encoding', 'identity');
  for (let index = 0; index < defaults.length; index += 2) {
    if (missing(defaults[index] as string)) list.push(defaults[index] as string, defaults[index + 1] as string);
  }
  return list;
}

/** Fills `list` from a plain object of plain strings; anything else is left to `Headers` and its errors. */
function isPlain(record: Record<string, unknown>, list: string[]): boolean {
  if (Object.getPrototypeOf(record) !== Object.prototype) return false;
  for (const name of Object.keys(record)) {
    const value = record[name];
    if (typeof value !== 'string' || !token.test(name) || !plainValue.test(value)) return false;
    const lower = name.toLowerCase();
    // Two spellings of one name are joined by Headers.
    for (let index = 0; index < list.length; index += 2) if (list[index] === lower) return false;
    list.push(lower, value);
  }
  return true;
}
