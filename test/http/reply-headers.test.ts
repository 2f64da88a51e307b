import { describe, expect, it } from 'vitest';
import { ReplyHeaders } from '../../src/http/reply-headers.ts';

const source = {
  'content-type': ' text/html ',
  'set-cookie': ['a=1; Path=/', 'b=2'],
  via: ['1.1 a', '1.1 b'],
  empty: '',
  gone: undefined,
};

/** What `fetch` would give for the same lines. */
const expected = new Headers([
  ['content-type', 'text/html'],
  ['set-cookie', 'a=1; Path=/'],
  ['set-cookie', 'b=2'],
  ['via', '1.1 a'],
  ['via', '1.1 b'],
  ['empty', ''],
]);

function headers(): Headers {
  return new ReplyHeaders(source) as unknown as Headers;
}

describe('ReplyHeaders', () => {
  it('is a Headers', () => {
    expect(headers()).toBeInstanceOf(Headers);
    expect(Object.prototype.toString.call(headers())).toBe('[object Headers]');
  });

  it.each([
    'content-type',
    'Content-Type',
    'set-cookie',
    'VIA',
    'empty',
    'gone',
    'missing',
    'constructor',
    '__proto__',
  ])('get and has of %s, before and after it is filled', (name) => {
    const ours = headers();
    for (let round = 0; round < 2; round++) {
      expect(ours.get(name)).toBe(expected.get(name));
      expect(ours.has(name)).toBe(expected.has(name));
    }
  });

  it('throws for a name that is none', () => {
    expect(() => headers().get('a b')).toThrow(TypeError);
    expect(() => headers().has('')).toThrow(TypeError);
  });

  it.each<[string, (from: Headers) => unknown]>([
    ['entries', (from) => [...from.entries()]],
    ['keys', (from) => [...from.keys()]],
    ['values', (from) => [...from.values()]],
    ['iteration', (from) => [...from]],
    ['getSetCookie', (from) => from.getSetCookie()],
    ['new Headers', (from) => [...new Headers(from)]],
    ['new Response', (from) => [...new Response(null, { headers: from }).headers]],
    ['Object.fromEntries', (from) => Object.fromEntries(from)],
    ['JSON', (from) => JSON.stringify([...from])],
  ])('%s is that of Headers', (_name, read) => {
    expect(read(headers())).toEqual(read(expected));
  });

  it('forEach hands on this, and itself', () => {
    const ours = headers();
    const told: unknown[] = [];
    const self = {};
    ours.forEach(function (this: unknown, value, name, parent) {
      told.push([name, value, this === self, parent === ours]);
    }, self);
    expect(told[0]).toEqual(['content-type', 'text/html', true, true]);
    expect(told).toHaveLength([...expected].length);
  });

  it('cannot be changed, as those of a fetched response', () => {
    for (const change of [
      () => headers().append('a', '1'),
      () => headers().set('a', '1'),
      () => headers().delete('via'),
    ]) {
      expect(change).toThrow(TypeError);
    }
  });
});
