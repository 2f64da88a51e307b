/**
 * Which few endpoints does a process use, when it knows nothing of others like it? Those that come first by a hash of their
 * address and of a seed of the process (gRPC A68, random subsetting; rendezvous hashing). Who comes or goes changes the
 * subset by one at most, and over many processes each endpoint is in about as many subsets as another.
 */
import type { Member } from '../../core/member.ts';
import { memberHashes } from '../member-hash.ts';
import { mixed } from '../string-hash.ts';
import { inOrderOf } from './member-order.ts';
import type { ChooseSubset } from './subset.ts';

/**
 * Chooses by rank.
 *
 * @param size how many, from 1 on.
 * @param seed any integer of 32 bits; another one in each process.
 */
export function rendezvousSubset(size: number, seed: number): ChooseSubset {
  const base = mixed(seed);
  return (members, leastHealthy) => {
    if (members.length <= size) return { members, parts: undefined };
    const { first, second } = memberHashes(members);
    const ranks = first.map((hash) => mixed(hash ^ base));
    const chosen: Member[] = [];
    let healthy = 0;
    for (const member of inOrderOf(members, ranks, second)) {
      if (chosen.length >= size && healthy >= leastHealthy) break;
      chosen.push(member);
      if (member.healthy) healthy++;
    }
    return { members: chosen, parts: undefined };
  };
}
