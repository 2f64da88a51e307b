/**
 * Was it the handshake? Told by the code of the error, of which Node has three families: verdicts of OpenSSL on the
 * chain, `ERR_TLS_…` of Node itself, and `ERR_SSL_…` of the protocol.
 */
import { MeshError, meshErrorOf } from '../core/errors.ts';

/** X509_verify_cert_error codes (node: src/crypto/crypto_common.cc) that do not contain CERT. */
const chainCodes = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_GET_CRL',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'HOSTNAME_MISMATCH',
]);

/**
 * The code for an error that a connection in the making ended with: `INMESH_IDENTITY` when the peer is somebody else,
 * `INMESH_TLS` when the handshake failed, `undefined` when it is not about TLS.
 *
 * For connections in the making only: in TLS 1.3 a server refuses our certificate after we may have sent a request,
 * which must not pass for "nothing was sent" ({@link certificateRefused}).
 */
export function tlsErrorCode(error: unknown): 'INMESH_TLS' | 'INMESH_IDENTITY' | undefined {
  const known = meshErrorOf(error)?.code;
  if (known === 'INMESH_TLS' || known === 'INMESH_IDENTITY') return known;
  const code = codeOf(error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'INMESH_IDENTITY';
  if (code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_') || code === 'EPROTO') return 'INMESH_TLS';
  // CERT_HAS_EXPIRED, DEPTH_ZERO_SELF_SIGNED_CERT, UNABLE_TO_GET_ISSUER_CERT_LOCALLY, …
  if (chainCodes.has(code) || /(^|_)(CERT|CRL)(_|$)/.test(code)) return 'INMESH_TLS';
  return undefined;
}

/** {@link tlsErrorCode} as an error of the mesh, with what it knows; any other error as it is. */
export function tlsConnectError(error: Error, service: string, endpoint: string): Error {
  const code = tlsErrorCode(error);
  if (code === undefined) return error;
  const hint = certificateRefused(error) ? ' (does it expect a certificate of ours? mode MUTUAL)' : '';
  return new MeshError(code, `${service}: ${endpoint}: ${error.message}${hint}`, { service, endpoint, cause: error });
}

/**
 * Whether `error`, also one of an established connection, says that the server refused our certificate, or missed one.
 * Most servers close the connection without saying so; then this is `false`.
 */
export function certificateRefused(error: unknown): boolean {
  return /^ERR_SSL_(TLSV1|TLSV13|SSLV3)_ALERT_.*(CERTIFICATE|UNKNOWN_CA)/.test(codeOf(error)) || causeRefused(error);
}

function causeRefused(error: unknown): boolean {
  const cause = (error as { cause?: unknown } | undefined)?.cause;
  return typeof cause === 'object' && cause !== null && cause !== error && certificateRefused(cause);
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? '');
}
