/**
 * What did undici's error mean for the request? Two questions decide everything above: could the server have seen it,
 * and is it the endpoint's fault. The first is told by how far the request came, not by the error.
 */
import type { Attempt } from '../core/attempt.ts';
import { endpointKey } from '../core/endpoint.ts';
import { type ErrorCode, MeshError, meshErrorOf } from '../core/errors.ts';

const connectCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'EINVAL',
  'ENOENT',
  'EACCES',
  'EMFILE',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
]);

const protocolCodes = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  'UND_ERR_RESPONSE',
]);

/** The request itself is wrong: no endpoint would take it, so it is never retried. */
const requestCodes = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
]);

/** Maps a TLS error of the connection, or returns `undefined`; passed in by the assembly, which knows `tls`. */
export type TlsErrorCodes = (error: unknown) => ErrorCode | undefined;

/**
 * The mesh's error for what undici reported. An error that is the caller's own reason of cancellation, or a mesh error
 * already, is returned as it is.
 */
export function transportError(error: unknown, attempt: Attempt, tlsErrorCodes: TlsErrorCodes | undefined): unknown {
  if (attempt.isCancelReason(error)) return error;
  if (error !== undefined && meshErrorOf(error) === error) return error;
  const code = codeOf(error, attempt, tlsErrorCodes);
  const endpoint = endpointKey(attempt.member.endpoint);
  const detail = (error as { message?: string } | undefined)?.message ?? String(error);
  return new MeshError(code, `${attempt.call.name}: ${endpoint}: ${words[code] ?? 'failed'} (${detail})`, {
    service: attempt.call.name,
    endpoint,
    attempts: attempt.call.attempts,
    cause: error,
  });
}

const words: Partial<Record<ErrorCode, string>> = {
  INMESH_CONNECT: 'no connection',
  INMESH_RESET: 'the connection broke after the request may have been sent',
  INMESH_REFUSED_STREAM: 'the server refused the request unprocessed',
  INMESH_PROTOCOL: 'the reply breaks the protocol',
  INMESH_REQUEST: 'the request is not valid',
  INMESH_TLS: 'the TLS handshake failed',
  INMESH_IDENTITY: 'the peer has another identity',
};

function codeOf(error: unknown, attempt: Attempt, tlsErrorCodes: TlsErrorCodes | undefined): ErrorCode {
  const nested = meshErrorOf(error);
  if (nested !== undefined) return nested.code;
  const code = String((error as { code?: unknown } | undefined)?.code ?? '');
  if (requestCodes.has(code)) return 'INMESH_REQUEST';
  if (attempt.sent === 'refused') return 'INMESH_REFUSED_STREAM';
  if (attempt.sent === 'none') return tlsErrorCodes?.(error) ?? 'INMESH_CONNECT';
  if (protocolCodes.has(code) || isParserError(error)) return 'INMESH_PROTOCOL';
  return connectCodes.has(code) && code.startsWith('ENO') ? 'INMESH_CONNECT' : 'INMESH_RESET';
}

/** undici's parser gives most of its errors no code. */
function isParserError(error: unknown): boolean {
  return (error as { name?: unknown } | undefined)?.name === 'HTTPParserError';
}
