/**
 * Where does a member stand in a hash table? That follows from its address alone, so that all processes agree. Its hash
 * is made once and kept for as long as the member: a table of 10,000 members is made anew in a millisecond or two.
 */
import { endpointKey } from '../core/endpoint.ts';
import type { Member } from '../core/member.ts';
import { stringHash } from './string-hash.ts';

/** 64 bits of hash for each of some members, in halves. */
export interface MemberHashes {
  readonly first: Uint32Array;
  readonly second: Uint32Array;
}

const known = new WeakMap<Member, readonly [first: number, second: number]>();

/** Any numbers but 0: keys are hashed with that. */
const seeds = [0x6d657368, 0x70656572] as const;

/** The hashes of the members' addresses. */
export function memberHashes(members: readonly Member[]): MemberHashes {
  const first = new Uint32Array(members.length);
  const second = new Uint32Array(members.length);
  for (let index = 0; index < members.length; index++) {
    const hash = memberHash(members[index] as Member);
    first[index] = hash[0];
    second[index] = hash[1];
  }
  return { first, second };
}

/** The hash of its address. */
export function memberHash(member: Member): readonly [first: number, second: number] {
  let hash = known.get(member);
  if (hash === undefined) {
    const key = endpointKey(member.endpoint);
    hash = [stringHash(key, seeds[0]), stringHash(key, seeds[1])];
    known.set(member, hash);
  }
  return hash;
}
