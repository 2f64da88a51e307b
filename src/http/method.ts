/**
 * Which requests may be sent twice without harm? Those that RFC 9110 calls idempotent, and those that carry an
 * `Idempotency-Key`; a caller or a route can say otherwise.
 */
import type { HeaderList } from '../core/call.ts';

/** RFC 9110, 9.2.2; QUERY is safe by its draft. */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']);

/**
 * Whether sending the request twice does no harm.
 *
 * @param stated what the caller or the route says of it; wins when defined.
 */
export function isIdempotent(method: string, headers: HeaderList, stated: boolean | undefined): boolean {
  if (stated !== undefined) return stated;
  if (idempotentMethods.has(method)) return true;
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] === 'idempotency-key') return true;
  }
  return false;
}

const normalised = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']);

/** Fetch's normalisation: these six are upper-cased, every other method is sent as written (`patch` is not PATCH). */
export function normaliseMethod(method: string): string {
  const upper = method.toUpperCase();
  return normalised.has(upper) ? upper : method;
}
