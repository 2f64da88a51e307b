import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMeshError } from '../../src/core/errors.ts';
import { parseTarget, pathWithQuery } from '../../src/http/target.ts';

/** What `new URL` makes of the text, or `undefined` when it is none. */
function byUrl(text: string) {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, pathname, search } = new URL(text);
  return { secure: protocol === 'https:', authority: host, path: pathname + search };
}

/** Without a host, what looks like a path is one: `http:///=@+`. */
function hasCredentials(text: string): boolean {
  const { username, password } = new URL(text);
  return username !== '' || password !== '';
}

const label = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-z0-9-]{1,6}$/) },
  fc.constantFrom('xn--', 'xn--a', 'xn--fiqs8s', 'xn--0', '0x1f', '0x', '08', '256', 'REVIEWS', 'ä', '%61', '_tcp', ''),
);
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const port = fc.constantFrom('', '', '', ':80', ':443', ':8080', ':0', ':99999', ':');
const segment = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_~!$&()*+,;=:@-]{0,5}$/),
  fc.constantFrom(
    '.',
    '..',
    '%2e',
    '%2E.',
    'a.b',
    'a b',
    'ä',
    '"',
    "'",
    '<',
    '^',
    '`',
    '{',
    '|',
    '\\',
    '%zz',
    '\t',
    '\n',
  ),
);
const path = fc.array(segment, { maxLength: 4 }).map((segments) => segments.map((one) => `/${one}`).join(''));
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc.constantFrom('?', '?a=b', "?a='b'", '?a=b c', '?a="', '?a=<', '?ä', '??', '?a#b', '#', '#a?b', '?a=[1]', '?/./..'),
);
const scheme = fc.constantFrom('http://', 'http://', 'http://', 'https://', 'HTTP://', 'http:/', ' http://');

describe('parseTarget', () => {
  it('agrees with new URL on every text', () => {
    fc.assert(
      fc.property(scheme, host, port, path, query, (...parts) => {
        const text = parts.join('');
        const expected = byUrl(text);
        if (expected === undefined) expect(() => parseTarget(text), text).toThrow(/is not a URL/);
        else if (hasCredentials(text)) expect(() => parseTarget(text), text).toThrow(/includes credentials/);
        else expect(parseTarget(text), text).toEqual(expected);
      }),
      { numRuns: 5_000 },
    );
  });

  it('agrees with new URL on texts of any kind', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.webUrl({ withQueryParameters: true, withFragments: true }),
          fc.string({ unit: 'binary' }).map((text) => `http://a/${text}`),
        ),
        (text) => {
          expect(parseTarget(text)).toEqual(byUrl(text));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('takes a URL object', () => {
    expect(parseTarget(new URL('https://Reviews:8443/a?b#c'))).toEqual({
      secure: true,
      authority: 'reviews:8443',
      path: '/a?b',
    });
  });

  it('is undefined for other schemes', () => {
    expect(parseTarget('data:text/plain,x')).toBeUndefined();
    expect(parseTarget('blob:nodedata:1')).toBeUndefined();
  });

  it('refuses credentials', () => {
    for (const url of ['http://user@reviews/', 'http://:secret@reviews/']) {
      expect(() => parseTarget(url)).toThrow(/credentials/);
    }
  });

  it('does not repeat credentials in its error', () => {
    try {
      parseTarget('http://user:hunter2@reviews/');
    } catch (error) {
      expect(isMeshError(error, 'INMESH_REQUEST')).toBe(true);
      expect(String(error)).not.toContain('hunter2');
    }
  });
});

describe('pathWithQuery', () => {
  it('appends every value, arrays one by one, escaped', () => {
    expect(pathWithQuery('/a', { b: 1, c: ['x', 'y z'], d: '&=' })).toBe('/a?b=1&c=x&c=y+z&d=%26%3D');
  });

  it('leaves the path as it is when there is none', () => {
    expect(pathWithQuery('/a', {})).toBe('/a');
  });

  it('refuses two queries', () => {
    expect(() => pathWithQuery('/a?b=1', { c: 1 })).toThrow(/exclude each other/);
  });
});
