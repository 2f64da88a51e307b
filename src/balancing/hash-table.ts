import type { Member } from '../core/member.ts';

/** Where do the keys go? A circle of places, each with a member that owns it; a key has a place. */
export interface HashTable {
  /** Of each place, the index of its owner among the members that the table was made of. */
  readonly owners: Uint32Array;
  /** The place of a key, by its hash: an integer from 0 to 2^32-1. */
  placeOf(hash: number): number;
}

/** A table that is being made, a slice of the work at a time. */
export interface HashTableBuild {
  /** Does some more, for a millisecond or two at most; `undefined` until it is done. */
  advance(): HashTable | undefined;
}

/**
 * Begins a table; what comes of it does not depend on the order of the members.
 *
 * @param members at least one.
 * @param weights theirs, above 0.
 */
export type StartHashTable = (members: readonly Member[], weights: readonly number[]) => HashTableBuild;
