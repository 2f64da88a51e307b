import { describe, expect, it } from 'vitest';
import { MeshError } from '../../src/core/errors.ts';
import { certificateRefused, tlsConnectError, tlsErrorCode } from '../../src/tls/tls-errors.ts';

function failed(code: string): Error {
  return Object.assign(new Error(`failed with ${code}`), { code });
}

describe('tlsErrorCode', () => {
  it.each([
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'INMESH_IDENTITY'],
    ['CERT_HAS_EXPIRED', 'INMESH_TLS'],
    ['CERT_NOT_YET_VALID', 'INMESH_TLS'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'INMESH_TLS'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'INMESH_TLS'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'INMESH_TLS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'INMESH_TLS'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'INMESH_TLS'],
    ['EPROTO', 'INMESH_TLS'],
    ['ECONNREFUSED', undefined],
    ['UND_ERR_CONNECT_TIMEOUT', undefined],
  ])('calls %s %s', (code, expected) => {
    expect(tlsErrorCode(failed(code))).toBe(expected);
  });

  it('keeps the code of a mesh error, wherever it is in the chain', () => {
    const identity = new MeshError('INMESH_IDENTITY', 'somebody else');
    expect(tlsErrorCode(new Error('wrapped', { cause: identity }))).toBe('INMESH_IDENTITY');
  });

  it.each([[undefined], [null], ['text'], [7]])('takes %j for no TLS error', (value) => {
    expect(tlsErrorCode(value)).toBeUndefined();
  });
});

describe('tlsConnectError', () => {
  it('adds service and endpoint and keeps the cause', () => {
    const cause = failed('CERT_HAS_EXPIRED');
    expect(tlsConnectError(cause, 'reviews', 'h:1')).toMatchObject({
      code: 'INMESH_TLS',
      service: 'reviews',
      endpoint: 'h:1',
      cause,
    });
  });

  it('leaves errors of the network as they are', () => {
    const refused = failed('ECONNREFUSED');
    expect(tlsConnectError(refused, 'reviews', 'h:1')).toBe(refused);
  });
});

describe('certificateRefused', () => {
  it('sees the alert of the server, also as a cause', () => {
    const alert = failed('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
    expect(certificateRefused(alert)).toBe(true);
    expect(certificateRefused(new Error('other side closed', { cause: alert }))).toBe(true);
    expect(certificateRefused(failed('ERR_SSL_WRONG_VERSION_NUMBER'))).toBe(false);
    expect(certificateRefused(undefined)).toBe(false);
  });
});
