import { describe, expect, it } from 'vitest';
import { isIdempotent, normaliseMethod } from '../../src/http/method.ts';

describe('isIdempotent', () => {
  it.each(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY'])('holds of %s', (method) => {
    expect(isIdempotent(method, [], undefined)).toBe(true);
  });

  it.each(['POST', 'PATCH', 'CONNECT', 'get', 'LOCK'])('does not hold of %s', (method) => {
    expect(isIdempotent(method, ['content-type', 'idempotency-key'], undefined)).toBe(false);
  });

  it('holds of any request with an idempotency key', () => {
    expect(isIdempotent('POST', ['accept', '*/*', 'idempotency-key', '"8e03978e"'], undefined)).toBe(true);
  });

  it('is what the caller says when the caller says', () => {
    expect(isIdempotent('GET', [], false)).toBe(false);
    expect(isIdempotent('POST', [], true)).toBe(true);
  });
});

describe('normaliseMethod', () => {
  it.each(['get', 'Head', 'POST', 'put', 'delete', 'options', 'patch', 'Patch', 'query', 'list'])(
    'writes %s as Request does',
    (method) => {
      expect(normaliseMethod(method)).toBe(new Request('http://a/', { method }).method);
    },
  );
});
