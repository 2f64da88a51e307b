/**
 * How do the members of a hash table get equal shares to within an entry? Each has an order of its own, by hash, in which
 * it would like the entries. They take turns, and with each turn a member gets the entry that it likes best of those that
 * are free (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", 2016, 3.4; Envoy's Maglev).
 * When one of n members goes, its keys move, and a few of the others.
 *
 * Weights: in each round of turns a member has as many as its weight is of the average, and what is left over is kept for
 * the next round. Envoy gives at most one turn a round, to the heaviest; that takes too many rounds when one member is far
 * heavier than thousands of others.
 */
import type { Member } from '../core/member.ts';
import type { HashTable, HashTableBuild, StartHashTable } from './hash-table.ts';
import { memberHashes } from './member-hash.ts';
import { SortedPoints } from './sorted-points.ts';

/** What an entry without an owner has in its place. */
const nobody = 0xffffffff;

/** Entries that are looked at in a slice: some 0.3 ms. The last few free ones take as long to find as all the others. */
const sliceLooks = 100_000;

/**
 * Makes tables.
 *
 * @param size a prime, so that each order goes round all entries.
 */
export function maglev(size: number): StartHashTable {
  return (members, weights) => new MaglevBuild(size, members, weights);
}

class MaglevBuild implements HashTableBuild {
  private readonly size: number;
  private readonly owners: Uint32Array;
  private free: number;
  /** The members in the order of their turns: by hash, as that must not depend on how they became known. */
  private readonly members: Uint32Array;
  /** Where each has come to in its order, and by how much it goes on. Signed, so that their sums are integers too. */
  private readonly entries: Int32Array;
  private readonly steps: Int32Array;
  /** How many turns each has in a round, and what is left over. */
  private readonly turns: Float64Array;
  private readonly credits: Float64Array;
  /** Whose turn it is. */
  private index = 0;

  constructor(size: number, members: readonly Member[], weights: readonly number[]) {
    const count = members.length;
    const { first, second } = memberHashes(members);
    const indices = new Uint32Array(count);
    for (let index = 0; index < count; index++) indices[index] = index;
    const inTurn = new SortedPoints(first, indices, second).owners;
    const [entries, steps, turns] = [new Int32Array(count), new Int32Array(count), new Float64Array(count)];
    const perRound = count / weights.reduce((sum, weight) => sum + weight, 0);
    for (let index = 0; index < count; index++) {
      const member = inTurn[index] as number;
      entries[index] = first[member]! % size;
      steps[index] = 1 + (second[member]! % (size - 1));
      turns[index] = weights[member]! * perRound;
    }
    this.size = size;
    this.owners = new Uint32Array(size).fill(nobody);
    this.free = size;
    this.members = inTurn;
    this.entries = entries;
    this.steps = steps;
    this.turns = turns;
    this.credits = new Float64Array(count);
  }

  advance(): HashTable | undefined {
    this.takeTurns();
    const { owners, size } = this;
    return this.free > 0 ? undefined : { owners, placeOf: (hash) => hash % size };
  }

  /** A slice of them. */
  private takeTurns(): void {
    const { owners, size, members, entries, steps, turns, credits } = this;
    let { free, index } = this;
    let looks = 0;
    while (free > 0 && looks < sliceLooks) {
      const step = steps[index] as number;
      let entry = entries[index] as number;
      let credit = credits[index]! + turns[index]!;
      for (; credit >= 1 && free > 0; credit--, free--) {
        for (; owners[entry] !== nobody; looks++) {
          entry = (entry + step) | 0;
          if (entry >= size) entry = (entry - size) | 0;
        }
        owners[entry] = members[index] as number;
        looks++;
      }
      credits[index] = credit;
      entries[index] = entry;
      index = index + 1 < members.length ? index + 1 : 0;
    }
    this.free = free;
    this.index = index;
  }
}
