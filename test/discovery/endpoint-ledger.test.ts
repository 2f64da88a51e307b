import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Endpoint, endpointKey, makeEndpoint, sameEndpoint } from '../../src/core/endpoint.ts';
import { EndpointLedger, type Steps } from '../../src/discovery/endpoint-ledger.ts';
import type { EndpointChange } from '../../src/discovery/registry.ts';

function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as T;
  }
}

function endpoint(host: number, parts: Partial<Endpoint> = {}): Endpoint {
  return makeEndpoint({ host: `10.0.0.${host}`, port: 80, ...parts });
}

function range(count: number): Endpoint[] {
  return Array.from({ length: count }, (_, index) => endpoint(index + 1));
}

/** A ledger, and what is shown when its changes are followed. */
class Follower {
  readonly ledger = new EndpointLedger();
  readonly shown = new Map<string, Endpoint>();

  tell(change: EndpointChange, trusting = false) {
    finish(this.ledger.take(change));
    const { put, removed } = finish(this.ledger.settle(() => trusting, 0));
    for (const key of removed) expect(this.shown.delete(key)).toBe(true);
    for (const one of put) this.shown.set(endpointKey(one), one);
    return { put: put.length, removed: removed.length };
  }

  get hosts(): string[] {
    return [...this.shown.values()].map(({ host }) => host).sort();
  }
}

describe('what vanishes', () => {
  it('goes at once while half of the set is left', () => {
    const follower = new Follower();
    follower.tell({ full: range(4) });
    expect(follower.tell({ full: range(2) })).toEqual({ put: 0, removed: 2 });
    expect(follower.ledger.heldCount).toBe(0);
  });

  it('is held when less than half of four and more is left', () => {
    const follower = new Follower();
    follower.tell({ full: range(4) });
    expect(follower.tell({ full: range(1) })).toEqual({ put: 0, removed: 0 });
    expect(follower.hosts).toHaveLength(4);
    expect(follower.ledger.isHeld('10.0.0.2:80')).toBe(true);
    expect(follower.ledger.isHeld('10.0.0.1:80')).toBe(false);
  });

  it('goes at once from a set of three, unless nothing is left', () => {
    const follower = new Follower();
    follower.tell({ full: range(3) });
    follower.tell({ full: range(1) });
    expect(follower.hosts).toEqual(['10.0.0.1']);
    follower.tell({ full: [] });
    expect(follower.hosts).toEqual(['10.0.0.1']);
  });

  it('is made up for by what comes in the same change', () => {
    const follower = new Follower();
    follower.tell({ full: range(4) });
    const others = [endpoint(11), endpoint(12)];
    expect(follower.tell({ full: others })).toEqual({ put: 2, removed: 4 });
  });

  it('goes at once when it was announced, also when the rest goes by and by', () => {
    const follower = new Follower();
    follower.tell({ full: range(8) });
    const draining = range(8).map((one) => ({ ...one, state: 'draining' as const }));
    follower.tell({ put: draining.slice(0, 7), removed: [] });
    follower.tell({ put: [], removed: draining.slice(0, 7).map(endpointKey) });
    expect(follower.hosts).toEqual(['10.0.0.8']);
    follower.tell({ put: draining.slice(7), removed: [] });
    follower.tell({ full: [] });
    expect(follower.hosts).toEqual([]);
  });

  it('is held until the last of it is back, which stays what it was', () => {
    for (const count of [2, 3, 6]) {
      const follower = new Follower();
      follower.tell({ full: range(count) });
      follower.tell({ full: [] });
      for (let back = 1; back <= count; back++) {
        expect(follower.tell({ put: [endpoint(back)], removed: [] })).toEqual({ put: 0, removed: 0 });
        expect(follower.ledger.heldCount).toBe(count - back);
      }
      expect(follower.hosts).toHaveLength(count);
    }
  });

  it('stays held when others vanish of which half is left', () => {
    const follower = new Follower();
    follower.tell({ full: range(12) });
    follower.tell({ full: range(5) });
    follower.tell({ full: range(10) });
    expect(follower.ledger.heldCount).toBe(2);
    expect(follower.tell({ full: range(9) })).toEqual({ put: 0, removed: 1 });
    expect(follower.hosts).toHaveLength(11);
    expect(follower.ledger.heldCount).toBe(2);
  });

  it('goes when it is believed', () => {
    const follower = new Follower();
    follower.tell({ full: range(6) });
    follower.tell({ full: range(1) });
    expect(follower.tell({ put: [], removed: [] }, true)).toEqual({ put: 0, removed: 5 });
    expect(follower.ledger.size).toBe(1);
  });
});

const change: fc.Arbitrary<EndpointChange> = fc.oneof(
  fc
    .uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 12 })
    .map((hosts) => ({ full: hosts.map((host) => endpoint(host)) })),
  fc
    .record({
      put: fc.array(
        fc.record({
          host: fc.integer({ min: 1, max: 12 }),
          weight: fc.integer({ min: 0, max: 2 }),
          draining: fc.boolean(),
        }),
        { maxLength: 4 },
      ),
      removed: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
    })
    .map(({ put, removed }) => ({
      put: put.map(({ host, weight, draining }) =>
        endpoint(host, { weight, state: draining ? 'draining' : 'serving' }),
      ),
      removed: removed.map((host) => endpointKey(endpoint(host))),
    })),
);

/** What a registry that told these changes holds. */
function apply(held: Map<string, Endpoint>, told: EndpointChange): void {
  if ('full' in told) held.clear();
  else for (const key of told.removed) held.delete(key);
  for (const one of 'full' in told ? told.full : told.put) held.set(endpointKey(one), one);
}

describe('what is shown', () => {
  it('holds all that was told, and is what was told once it is believed', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const follower = new Follower();
        const registry = new Map<string, Endpoint>();
        for (const told of changes) {
          follower.tell(told);
          apply(registry, told);
          for (const [key, one] of registry) expect(sameEndpoint(follower.shown.get(key) as Endpoint, one)).toBe(true);
          const serving = [...registry.values()].filter(({ state }) => state === 'serving').length;
          if (follower.shown.size > registry.size) expect(serving * 2).toBeLessThan(follower.shown.size * 2);
          expect([...follower.ledger.endpoints()].map(endpointKey).sort()).toEqual([...follower.shown.keys()].sort());
        }
        follower.tell({ put: [], removed: [] }, true);
        expect([...follower.shown.keys()].sort()).toEqual([...registry.keys()].sort());
      }),
    );
  });
});
