/**
 * What may a span tell? Names and outcomes, never contents: no header, no body, no query. `url.full` therefore ends
 * before the `?`, although the semantic conventions allow the query: tokens and personal data travel in it.
 *
 * Names are those of OpenTelemetry's semantic conventions for HTTP clients (stable since 1.23).
 */
import type { Attributes } from '@opentelemetry/api';
import type { Attempt } from '../core/attempt.ts';
import type { Call } from '../core/call.ts';
import { meshErrorOf } from '../core/errors.ts';
import type { Outcome } from '../core/outcome.ts';

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/** The method as the conventions want it: one of a known few, or `_OTHER`, so that a caller cannot make up names. */
export function methodName(method: string): string {
  return knownMethods.has(method) ? method : '_OTHER';
}

/** `path` without its query. */
export function withoutQuery(path: string): string {
  const end = path.indexOf('?');
  return end < 0 ? path : path.slice(0, end);
}

/** What both the span of a call and those of its attempts say. The server is the logical one. */
export function requestAttributes(call: Call, secure: boolean): Attributes {
  const authority = call.authority.slice(call.authority.lastIndexOf('@') + 1);
  const colon = authority.lastIndexOf(':');
  const port = colon > authority.lastIndexOf(']') ? Number(authority.slice(colon + 1)) : Number.NaN;
  return {
    'http.request.method': methodName(call.method),
    'url.full': `${secure ? 'https' : 'http'}://${authority}${withoutQuery(call.path)}`,
    'server.address': Number.isNaN(port) ? authority : authority.slice(0, colon),
    'server.port': Number.isNaN(port) ? (secure ? 443 : 80) : port,
    'inmesh.service': call.name,
  };
}

/** What the span of an attempt says before its reply is known. */
export function attemptAttributes(attempt: Attempt, secure: boolean): Attributes {
  const { endpoint } = attempt.member;
  const attributes = requestAttributes(attempt.call, secure);
  attributes['network.peer.address'] = endpoint.socketPath ?? endpoint.host;
  if (endpoint.socketPath === undefined) attributes['network.peer.port'] = endpoint.port;
  if (attempt.number > 1) attributes['http.request.resend_count'] = attempt.number - 1;
  return attributes;
}

/**
 * The `error.type`: the code of the error, the status, or what broke the body; `undefined` when nothing failed, or when
 * the caller gave up.
 */
export function errorType(status: number | undefined, outcome: Outcome, error: unknown): string | undefined {
  if (outcome.kind === 'ignored') return undefined;
  const code = meshErrorOf(error)?.code;
  if (code !== undefined) return code;
  if (outcome.kind === 'failure' && outcome.cause !== 'status') return outcome.cause ?? '_OTHER';
  // The conventions call a 4xx an error of a client's span, although it is a success of the transport.
  return status !== undefined && status >= 400 ? String(status) : undefined;
}
