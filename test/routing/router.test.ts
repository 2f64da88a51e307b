import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { RouteMatch } from '../../src/routing/match.ts';
import { hostOf, type RouteRule, Router } from '../../src/routing/router.ts';

function rule(name: string, matches: readonly RouteMatch[], ...subsets: string[]): RouteRule {
  return { name, matches, destinations: subsets.map((subset) => ({ host: 'reviews', subset, weight: 1 })) };
}

const jason: RouteMatch = {
  path: undefined,
  method: undefined,
  headers: [{ name: 'end-user', value: { kind: 'exact', text: 'jason' } }],
};
const posts: RouteMatch = { path: undefined, method: { kind: 'exact', text: 'POST' }, headers: [] };

function routerOf(...rules: RouteRule[]): Router {
  return new Router(['reviews', 'details', '::1'], new Map([['reviews', rules]]), seededRandom(7));
}

describe('Router', () => {
  it('sends a service without rules to itself, with the same object each time', () => {
    const router = routerOf();
    const routed = router.route('details', 'GET', '/', []);
    expect(routed).toEqual({ host: 'details', subset: undefined, rule: undefined });
    expect(router.route('details', 'PUT', '/x', [])).toBe(routed);
  });

  it('takes the first rule that matches', () => {
    const router = routerOf(rule('canary', [jason], 'v3'), rule('rest', [], 'v1'), rule('never', [], 'v2'));
    expect(router.route('reviews', 'GET', '/', ['end-user', 'jason'])).toMatchObject({ subset: 'v3' });
    expect(router.route('reviews', 'GET', '/', [])).toMatchObject({ subset: 'v1', rule: { name: 'rest' } });
  });

  it('applies a rule when one of its matches does', () => {
    const router = routerOf(rule('either', [jason, posts], 'v2'));
    expect(router.route('reviews', 'POST', '/', [])).toMatchObject({ subset: 'v2' });
    expect(router.route('reviews', 'GET', '/', ['end-user', 'jason'])).toMatchObject({ subset: 'v2' });
  });

  it('says when no rule of a host matches', () => {
    expect(routerOf(rule('canary', [jason], 'v3')).route('reviews', 'GET', '/', [])).toBe('no-route');
  });

  it('says when a host is not known', () => {
    expect(routerOf().route('ratings', 'GET', '/', [])).toBe('unknown-host');
    expect(routerOf().route('constructor', 'GET', '/', [])).toBe('unknown-host');
  });

  it('looks up the host of an authority, whatever its port, case and final dot', () => {
    const router = routerOf();
    for (const authority of ['details:8080', 'Details', 'DETAILS:80', 'details.', 'details.:80']) {
      expect(router.route(authority, 'GET', '/', [])).toMatchObject({ host: 'details' });
    }
    expect(router.route('[::1]:80', 'GET', '/', [])).toMatchObject({ host: '::1' });
  });

  it('routes a host that is no service', () => {
    const router = new Router(['reviews'], new Map([['shop', [rule('all', [], 'v1')]]]), seededRandom(7));
    expect(router.route('shop', 'GET', '/', [])).toMatchObject({ host: 'reviews', subset: 'v1' });
  });

  it('splits the traffic of a rule over its destinations', () => {
    const router = routerOf(rule('half', [], 'v1', 'v2'));
    const subsets = Array.from({ length: 100 }, () => {
      const routed = router.route('reviews', 'GET', '/', []);
      return typeof routed === 'string' ? routed : routed.subset;
    });
    expect(new Set(subsets)).toEqual(new Set(['v1', 'v2']));
  });
});

describe('hostOf', () => {
  it.each([
    ['reviews:80', 'reviews'],
    ['[FE80::1]', 'fe80::1'],
    ['', ''],
    [':80', ''],
  ])('%s is %s', (authority, host) => {
    expect(hostOf(authority)).toBe(host);
  });
});
