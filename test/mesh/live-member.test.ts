import { describe, expect, it } from 'vitest';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { LiveMember } from '../../src/mesh/live-member.ts';
import type { Transport } from '../../src/transport/endpoint-pool.ts';
import { fixedLoad } from '../balancing/fake-member.ts';

function liveMember(told: string[] = []) {
  const member = new LiveMember(makeEndpoint({ host: '::1', port: 80 }), fixedLoad(1), {} as Transport, {
    memberTaken: ({ inFlight }) => told.push(`taken ${inFlight}`),
    memberReleased: ({ inFlight }) => told.push(`released ${inFlight}`),
  });
  return member;
}

describe('LiveMember', () => {
  it('is known by its address', () => {
    expect(liveMember().key).toBe('[::1]:80');
  });

  it('holds load until the body has ended, and waits only until the head', () => {
    const told: string[] = [];
    const member = liveMember(told);
    const first = member.begin(10);
    const second = member.begin(20);
    expect([member.inFlight, member.oldestWaiting]).toEqual([2, 10]);
    member.headed(first);
    expect([member.inFlight, member.oldestWaiting]).toEqual([2, 20]);
    member.release();
    expect([member.inFlight, member.oldestWaiting]).toEqual([1, 20]);
    member.headed(second);
    member.release();
    expect([member.inFlight, member.oldestWaiting]).toEqual([0, Number.POSITIVE_INFINITY]);
    expect(told).toEqual(['taken 1', 'taken 2', 'released 1', 'released 0']);
  });
});
