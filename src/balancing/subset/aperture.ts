/**
 * How do many processes share many endpoints, each using a few, so that all endpoints get the same? Deterministic aperture
 * (Finagle, `aperture/DeterministicAperture.scala`): the endpoints stand on a ring, each as long as its weight; so do the
 * processes, each at the beginning of its own equal part. A process uses what lies within a whole number of such parts from
 * where it stands, so that every point of the ring lies within reach of equally many of them. Who lies partly within
 * reach counts with that part of its weight; others count it with the rest.
 *
 * It takes instances that know their place among each other, and agree on the endpoints.
 */
import type { Member } from '../../core/member.ts';
import { memberHashes } from '../member-hash.ts';
import { inOrderOf } from './member-order.ts';
import type { ChooseSubset, Subset } from './subset.ts';

/** The place of a process among those like it. */
export interface Instance {
  /** From 0 on, below {@link count}; no two have the same. */
  readonly index: number;
  /** How many there are, ≥ 1. */
  readonly count: number;
}

/** Whether `value` is one. */
export function isInstance(value: unknown): value is Instance {
  if (typeof value !== 'object' || value === null) return false;
  const { index, count } = value as Partial<Instance>;
  return Number.isInteger(index) && Number.isInteger(count) && index! >= 0 && index! < count!;
}

/** With fewer endpoints the loss of one weighs too much. Finagle's `minAperture`. */
const leastSize = 12;

/** Pieces of a ring of length 1 below this are left by rounding. */
const rounding = 1e-12;

/**
 * Chooses what lies within reach.
 *
 * @param size how many at least; 12 where that is less.
 */
export function aperture(size: number, { index, count }: Instance): ChooseSubset {
  const wanted = Math.max(size, leastSize);
  return (members, leastHealthy) => {
    const slices = Math.ceil(count * lengthFor(wanted, members) - rounding);
    if (slices >= count) return { members, parts: undefined };
    const { first, second } = memberHashes(members);
    const ring = inOrderOf(members, first, second);
    // What is within reach grows with it, so the least that does is found by halves.
    let [least, most] = [slices, count];
    let found: Subset | undefined;
    while (least < most) {
      const reach = found === undefined && least === slices ? slices : (least + most) >> 1;
      const subset = within(ring, index / count, reach / count);
      if (healthyOf(subset.members) >= leastHealthy) {
        found = subset;
        most = reach;
      } else least = reach + 1;
    }
    return found ?? { members, parts: undefined };
  };
}

/** How long a piece of the ring is that touches `wanted` members wherever it lies: more than so many of the heaviest less one. */
function lengthFor(wanted: number, members: readonly Member[]): number {
  const lengths = members.map(lengthOf);
  const even = wanted / members.length;
  if (lengths.every((length) => length === lengths[0])) return even;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const heaviest = lengths.toSorted((a, b) => b - a).slice(0, wanted - 1);
  return Math.max(even, sum(heaviest) / sum(lengths));
}

/** Who lies on the piece of `length` from `start` on, both as parts of the ring. */
function within(ring: readonly Member[], start: number, length: number): Subset {
  const total = ring.reduce((sum, member) => sum + lengthOf(member), 0);
  const members: Member[] = [];
  const parts = new Map<Member, number>();
  let begin = 0;
  for (const member of ring) {
    const own = lengthOf(member) / total;
    const end = begin + own;
    // The piece may go round the ring's end.
    const covered = overlap(begin, end, start, start + length) + overlap(begin, end, start - 1, start - 1 + length);
    if (covered > rounding) {
      members.push(member);
      if (covered < own - rounding) parts.set(member, covered / own);
    }
    begin = end;
  }
  return { members, parts };
}

/** Whether a member warms up is for each process to see, and no part of what they agree on. */
function lengthOf({ endpoint }: Member): number {
  return endpoint.weight > 0 ? endpoint.weight : 1;
}

function overlap(begin: number, end: number, from: number, to: number): number {
  return Math.max(0, Math.min(end, to) - Math.max(begin, from));
}

function healthyOf(members: readonly Member[]): number {
  return members.reduce((sum, { healthy }) => sum + (healthy ? 1 : 0), 0);
}
