import { errors } from 'undici';
import { describe, expect, it } from 'vitest';
import type { Sent } from '../../src/core/attempt.ts';
import { type ErrorCode, MeshError } from '../../src/core/errors.ts';
import { transportError } from '../../src/transport/transport-errors.ts';
import { fakeAttempt } from '../resilience/fake-call.ts';

function coded(code: string, name = 'Error'): Error {
  return Object.assign(new Error('detail'), { code, name });
}

function codeOf(error: unknown, sent: Sent, tls?: ErrorCode): string {
  const attempt = fakeAttempt();
  attempt.sent = sent;
  return (transportError(error, attempt, () => tls) as MeshError).code;
}

describe('transportError', () => {
  it.each<[string, unknown, string]>([
    ['a refused connection', coded('ECONNREFUSED'), 'INMESH_CONNECT'],
    ['a reset while connecting', coded('ECONNRESET'), 'INMESH_CONNECT'],
    ['a connection that took too long', new errors.ConnectTimeoutError(), 'INMESH_CONNECT'],
    ['a closed pool', new errors.ClientClosedError(), 'INMESH_CONNECT'],
    ['anything', new Error('?'), 'INMESH_CONNECT'],
  ])('before the request was sent, %s is no connection', (_name, error, code) => {
    expect(codeOf(error, 'none')).toBe(code);
  });

  it.each<[string, unknown, string]>([
    ['a reset', coded('ECONNRESET'), 'INMESH_RESET'],
    ['a broken pipe', coded('EPIPE'), 'INMESH_RESET'],
    ['a closed connection', new errors.SocketError('other side closed'), 'INMESH_RESET'],
    ['a timeout of the system', coded('ETIMEDOUT'), 'INMESH_RESET'],
    ['a destroyed pool', new errors.ClientDestroyedError(), 'INMESH_RESET'],
    ['garbage', new errors.HTTPParserError('Expected HTTP/'), 'INMESH_PROTOCOL'],
    ['too many headers', new errors.HeadersOverflowError(), 'INMESH_PROTOCOL'],
    ['a wrong length', new errors.ResponseContentLengthMismatchError(), 'INMESH_PROTOCOL'],
    ['nothing at all', undefined, 'INMESH_RESET'],
    ['a refused connection, which is no proof by then', coded('ECONNREFUSED'), 'INMESH_RESET'],
  ])('after it may have been sent, %s is told as such', (_name, error, code) => {
    expect(codeOf(error, 'maybe')).toBe(code);
  });

  it('a refusal is a refusal, whatever the error', () => {
    expect(codeOf(coded('ECONNRESET'), 'refused')).toBe('INMESH_REFUSED_STREAM');
  });

  it('a wrong request is one, before and after', () => {
    for (const sent of ['none', 'maybe'] as const) {
      expect(codeOf(new errors.InvalidArgumentError('path'), sent)).toBe('INMESH_REQUEST');
      expect(codeOf(new errors.RequestContentLengthMismatchError(), sent)).toBe('INMESH_REQUEST');
      expect(codeOf(new errors.NotSupportedError('expect'), sent)).toBe('INMESH_REQUEST');
    }
  });

  it('asks about TLS only for a connection in the making', () => {
    expect(codeOf(coded('CERT_HAS_EXPIRED'), 'none', 'INMESH_TLS')).toBe('INMESH_TLS');
    expect(codeOf(coded('ERR_SSL_ALERT'), 'maybe', 'INMESH_TLS')).toBe('INMESH_RESET');
  });

  it('leaves errors of the mesh, and reasons of a cancellation, as they are', () => {
    const attempt = fakeAttempt();
    const ours = new MeshError('INMESH_IDENTITY', 'x');
    expect(transportError(ours, attempt, undefined)).toBe(ours);
    const reason = coded('ECONNRESET');
    attempt.call.cancel(reason);
    expect(transportError(reason, attempt, undefined)).toBe(reason);
  });

  it('says who, where, how often and why', () => {
    const attempt = fakeAttempt();
    attempt.sent = 'maybe';
    attempt.call.attempts = 2;
    const cause = coded('ECONNRESET');
    const error = transportError(cause, attempt, undefined) as MeshError;
    expect(error).toMatchObject({ service: 'reviews', endpoint: '127.0.0.1:8080', attempts: 2, cause });
    expect(error.message).toBe(
      'reviews: 127.0.0.1:8080: the connection broke after the request may have been sent (detail)',
    );
  });
});
