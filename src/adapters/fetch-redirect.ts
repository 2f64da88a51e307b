/**
 * Where does a redirect lead? By the fetch standard's "HTTP-redirect fetch": at most 20 hops, POST becomes GET on 301
 * and 302 and everything on 303, and credentials do not cross origins.
 */
import { MeshError } from '../core/errors.ts';
import { headerOf } from '../core/parsed-headers.ts';
import type { Reply } from '../core/reply.ts';
import { FetchRequest } from './fetch-input.ts';

const maxHops = 20;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);
/** They describe a body that is not sent on. */
const bodyHeaders = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'content-length',
]);
const credentialHeaders = new Set(['authorization', 'proxy-authorization', 'cookie', 'host']);

/**
 * The request that `reply` redirects to; `undefined` when it does not, or the caller follows itself; an error when it
 * must not be followed.
 */
export function redirected(request: FetchRequest, reply: Reply): FetchRequest | Error | undefined {
  const location = headerOf(reply.headers, 'location');
  if (!redirectStatuses.has(reply.status) || location === undefined || request.redirect === 'manual') return undefined;
  const refuse = (why: string): Error => {
    reply.body.destroy();
    return new TypeError('fetch failed', { cause: new MeshError('INMESH_REDIRECT', `${request.url}: ${why}`) });
  };
  if (request.redirect === 'error') return refuse('unexpected redirect');
  if (request.hops >= maxHops) return refuse(`more than ${maxHops} redirects`);
  const from = new URL(request.url);
  if (!URL.canParse(location, from.href)) return refuse('the location is not a URL');
  const to = new URL(location, from);
  if (to.protocol !== 'http:' && to.protocol !== 'https:') return refuse('the location is neither http nor https');
  if (to.hash === '') to.hash = from.hash;

  const { method } = request;
  const toGet =
    ((reply.status === 301 || reply.status === 302) && method === 'POST') ||
    (reply.status === 303 && method !== 'GET' && method !== 'HEAD');
  if (!toGet && isOneShot(request.body)) return refuse('the body is a stream and cannot be sent again');
  const sameOrigin = to.origin === from.origin;
  const headers: string[] = [];
  for (let index = 0; index < request.headers.length; index += 2) {
    const name = request.headers[index] as string;
    if (toGet && bodyHeaders.has(name)) continue;
    if (!sameOrigin && credentialHeaders.has(name)) continue;
    headers.push(name, request.headers[index + 1] as string);
  }
  const next = toGet ? 'GET' : method;
  return new FetchRequest(
    to.href,
    next,
    headers,
    toGet ? null : request.body,
    request.signal,
    'follow',
    request.hops + 1,
    request.integrity,
  );
}

function isOneShot(body: FetchRequest['body']): boolean {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}
