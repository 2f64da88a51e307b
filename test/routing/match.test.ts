import { describe, expect, it } from 'vitest';
import { matches, type RouteMatch } from '../../src/routing/match.ts';

const anything: RouteMatch = { path: undefined, method: undefined, headers: [] };

describe('matches', () => {
  it('applies to every request without criteria', () => {
    expect(matches(anything, 'GET', '/', [])).toBe(true);
  });

  it.each([
    ['/reviews', true],
    ['/reviews?page=2', true],
    ['/reviews/', false],
    ['/reviews2', false],
    ['/review', false],
  ])('compares an exact path without the query: %s', (path, expected) => {
    const match: RouteMatch = { ...anything, path: { kind: 'exact', text: '/reviews' } };
    expect(matches(match, 'GET', path, [])).toBe(expected);
  });

  it.each([
    ['/reviews', true],
    ['/reviews2?x', true],
    ['/rev', false],
    ['/?/reviews', false],
  ])('compares a path prefix by characters: %s', (path, expected) => {
    const match: RouteMatch = { ...anything, path: { kind: 'prefix', text: '/reviews' } };
    expect(matches(match, 'GET', path, [])).toBe(expected);
  });

  it('compares the method', () => {
    const match: RouteMatch = { ...anything, method: { kind: 'exact', text: 'GET' } };
    expect(matches(match, 'GET', '/', [])).toBe(true);
    expect(matches(match, 'POST', '/', [])).toBe(false);
  });

  it('needs every header to match, and takes any value of one that was sent twice', () => {
    const match: RouteMatch = {
      ...anything,
      headers: [
        { name: 'end-user', value: { kind: 'exact', text: 'jason' } },
        { name: 'accept', value: { kind: 'prefix', text: 'text/' } },
      ],
    };
    expect(matches(match, 'GET', '/', ['end-user', 'ann', 'accept', 'text/html', 'end-user', 'jason'])).toBe(true);
    expect(matches(match, 'GET', '/', ['end-user', 'jason'])).toBe(false);
    expect(matches(match, 'GET', '/', ['accept', 'text/html', 'end-user', 'Jason'])).toBe(false);
  });

  it('does not take a header value for a name', () => {
    const match: RouteMatch = { ...anything, headers: [{ name: 'a', value: { kind: 'exact', text: 'b' } }] };
    expect(matches(match, 'GET', '/', ['x', 'a', 'b', 'y'])).toBe(false);
  });

  it('needs all kinds of criteria at once', () => {
    const match: RouteMatch = {
      path: { kind: 'prefix', text: '/a' },
      method: { kind: 'exact', text: 'GET' },
      headers: [{ name: 'x', value: { kind: 'exact', text: '1' } }],
    };
    expect(matches(match, 'GET', '/a', ['x', '1'])).toBe(true);
    expect(matches(match, 'PUT', '/a', ['x', '1'])).toBe(false);
    expect(matches(match, 'GET', '/b', ['x', '1'])).toBe(false);
    expect(matches(match, 'GET', '/a', ['x', '2'])).toBe(false);
  });
});
