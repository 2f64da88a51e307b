import { type Endpoint, makeEndpoint } from '../../src/core/endpoint.ts';
import type { LoadMetric, Member } from '../../src/core/member.ts';

/** A member whose live state a test may set. */
export interface FakeMember extends Member {
  readonly endpoint: Endpoint;
  inFlight: number;
  oldestWaiting: number;
  healthy: boolean;
  warmth: number;
  load: LoadMetric;
}

/** A load that is always the same. */
export function fixedLoad(cost: number): LoadMetric {
  return { observe() {}, cost: () => cost };
}

/** An idle, healthy member. */
export function fakeMember(
  parts: Partial<Endpoint> & { healthy?: boolean; warmth?: number; load?: LoadMetric; inFlight?: number } = {},
): FakeMember {
  const { healthy = true, warmth = 1, load = fixedLoad(1), inFlight = 0, ...endpoint } = parts;
  return {
    endpoint: makeEndpoint({ host: '127.0.0.1', port: 8080, ...endpoint }),
    inFlight,
    oldestWaiting: Number.POSITIVE_INFINITY,
    healthy,
    warmth,
    load,
  };
}

/** `count` members of equal weight. */
export function fakeMembers(count: number): FakeMember[] {
  return Array.from({ length: count }, (_, index) => fakeMember({ port: index + 1 }));
}
