import { describe, expect, it } from 'vitest';
import type { FetchRequest } from '../../src/adapters/fetch-input.ts';
import { readFetchInput } from '../../src/adapters/fetch-input.ts';
import { redirected } from '../../src/adapters/fetch-redirect.ts';
import { madeReply } from '../../src/http/reply-of.ts';

function follow(status: number, location: string | undefined, init?: RequestInit, url = 'http://reviews/a/b?c#d') {
  const headers = location === undefined ? {} : { location };
  return redirected(readFetchInput(url, init), madeReply(status, headers, new Uint8Array()));
}

function followed(...args: Parameters<typeof follow>): FetchRequest {
  const next = follow(...args);
  if (next === undefined || next instanceof Error) throw new Error('not followed', { cause: next });
  return next;
}

function names(request: FetchRequest): string[] {
  return request.headers.filter((_, index) => index % 2 === 0).sort();
}

describe('redirected', () => {
  it.each([
    ['/x', 'http://reviews/x#d'],
    ['x', 'http://reviews/a/x#d'],
    ['?x', 'http://reviews/a/b?x#d'],
    ['#x', 'http://reviews/a/b?c#x'],
    ['//details/x', 'http://details/x#d'],
    ['https://details', 'https://details/#d'],
  ])('to %s leads to %s', (location, url) => {
    expect(followed(302, location).url).toBe(url);
  });

  it.each([
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'POST', 'GET'],
    [307, 'POST', 'POST'],
    [308, 'POST', 'POST'],
    [301, 'PUT', 'PUT'],
    [302, 'DELETE', 'DELETE'],
    [303, 'PUT', 'GET'],
    [303, 'HEAD', 'HEAD'],
    [303, 'GET', 'GET'],
    [301, 'HEAD', 'HEAD'],
  ])('after %i makes %s a %s', (status, method, next) => {
    const body = method === 'POST' || method === 'PUT' ? { body: 'x' } : {};
    const request = followed(status, '/x', { method, ...body, headers: { 'content-language': 'en', 'x-a': '1' } });
    expect(request.method).toBe(next);
    const keepsBody = next === method;
    expect(request.body).toBe(keepsBody && 'body' in body ? 'x' : null);
    expect(names(request).includes('content-language')).toBe(keepsBody);
    expect(names(request)).toContain('x-a');
  });

  it.each([
    ['/x', true],
    ['http://reviews:80/x', true],
    ['http://reviews:8080/x', false],
    ['https://reviews/x', false],
    ['http://details/x', false],
  ])('to %s keeps credentials: %s', (location, keeps) => {
    const secret = { authorization: 'a', cookie: 'b', 'proxy-authorization': 'c', host: 'd' };
    const request = followed(307, location, { headers: { ...secret, 'x-a': '1' } });
    for (const name of Object.keys(secret)) expect(names(request).includes(name), name).toBe(keeps);
    expect(names(request)).toContain('x-a');
  });

  it.each([200, 300, 304, 305, 306, 404])('does not follow %i', (status) => {
    expect(follow(status, '/x')).toBeUndefined();
  });

  it('does not follow without a location, or when the caller follows himself', () => {
    expect(follow(302, undefined)).toBeUndefined();
    expect(follow(302, '/x', { redirect: 'manual' })).toBeUndefined();
  });

  it.each([
    ['an unexpected one', '/x', { redirect: 'error' } as RequestInit],
    ['one that is no URL', 'http://', {}],
    ['one to another scheme', 'ftp://reviews/x', {}],
    [
      'one with a body that cannot be sent again',
      '/x',
      { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' } as never,
    ],
  ])('refuses %s', (_name, location, init) => {
    const refused = follow(307, location, init);
    expect(refused).toMatchObject({ name: 'TypeError', message: 'fetch failed', cause: { code: 'INMESH_REDIRECT' } });
  });

  it('follows 20 times', () => {
    let request = readFetchInput('http://reviews/0', undefined);
    for (let hop = 1; hop <= 20; hop++) {
      const next = redirected(request, madeReply(302, { location: `/${hop}` }, new Uint8Array()));
      request = next as FetchRequest;
      expect(request.hops).toBe(hop);
    }
    expect(redirected(request, madeReply(302, { location: '/21' }, new Uint8Array()))).toBeInstanceOf(TypeError);
  });
});
