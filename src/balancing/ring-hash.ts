/**
 * Which keys move when a member comes or goes? On a ring of points, only those that it gains or had: a key belongs to
 * the next point (Karger et al., "Consistent Hashing and Random Trees", 1997; ketama; Envoy's ring hash, gRPC A42).
 *
 * That needs the other points to stay. Envoy and gRPC divide a ring of about one size among the members, so each change
 * moves points of all. Here a member of the least weight has `minimumRingSize` points, however many members there are,
 * until the ring would be larger than {@link largeRing}: with the default, among up to 64 members of one weight no key
 * moves between two that stay, and the share of each is right to within some 3%. Beyond that the members
 * have fewer points. Their numbers are rounded up or down by hash, so that from one size to the next a few members lose a
 * point, and not all of them at once.
 */
import type { Member } from '../core/member.ts';
import type { StartHashTable } from './hash-table.ts';
import { memberHashes } from './member-hash.ts';
import { SortedPoints } from './sorted-points.ts';
import { mixed } from './string-hash.ts';

/** Points that are made within a millisecond or two, and stay in a processor's cache. */
const largeRing = 65_536;

/**
 * Makes rings.
 *
 * @param minimumSize see {@link import('./hash-options.ts').HashOptions}.
 */
export function ringHash(minimumSize: number): StartHashTable {
  return (members, weights) => {
    const { points, owners, ranks } = unsorted(minimumSize, members, weights);
    return {
      advance() {
        const sorted = new SortedPoints(points, owners, ranks);
        return { owners: sorted.owners, placeOf: (hash) => sorted.from(hash) };
      },
    };
  };
}

function unsorted(minimumSize: number, members: readonly Member[], weights: readonly number[]) {
  const { first, second } = memberHashes(members);
  const counts = pointCounts(minimumSize, first, second, weights);
  let size = 0;
  for (const count of counts) size += count;
  const points = new Uint32Array(size);
  const owners = new Uint32Array(size);
  let place = 0;
  for (let owner = 0; owner < members.length; owner++) {
    const end = place + (counts[owner] as number);
    // Double hashing: the points of a member differ from each other, and follow no other member's.
    const step = (second[owner] as number) | 1;
    let next = first[owner] as number;
    for (; place < end; place++) {
      points[place] = mixed(next);
      owners[place] = owner;
      next = (next + step) | 0;
    }
  }
  return { points, owners, ranks: first };
}

/** How many points each member has. */
function pointCounts(
  minimumSize: number,
  first: Uint32Array,
  second: Uint32Array,
  weights: readonly number[],
): Uint32Array {
  let total = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const weight of weights) {
    total += weight;
    if (weight < least) least = weight;
  }
  const perWeight = Math.min(minimumSize / least, Math.max(minimumSize, largeRing) / total);
  const counts = new Uint32Array(weights.length);
  for (let owner = 0; owner < weights.length; owner++) {
    const fraction = mixed(first[owner]! ^ second[owner]!) / 2 ** 32;
    counts[owner] = Math.max(1, Math.floor(weights[owner]! * perWeight + fraction));
  }
  return counts;
}
