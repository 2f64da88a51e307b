/**
 * How do calls of one key come to one member? The key has a place in a {@link HashTable}, whose owner gets the call. When
 * that member may not have it, the next place is looked at, and so on round the table: after a retry, an ejection or a
 * drain only the keys of that member go elsewhere, and come back with it. So the table holds ejected and draining members
 * too, and is made anew only when members come, go or change their weight.
 *
 * It is made with the picks that need it, each of which does a slice; meanwhile the old table holds.
 *
 * With a bound, a member that has more than its part of what is in flight is passed over likewise (Mirrokni, Thorup and
 * Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018). As the parts of all are above what is in flight, one
 * has room; it may be the one that a repeat shall not have, so the search round the table has an end.
 *
 * A call without a key goes to a random member by weight.
 */
import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { Candidates, weightOf } from './candidates.ts';
import { type HashKey, hashKeyOf } from './hash-key.ts';
import type { HashTable, HashTableBuild, StartHashTable } from './hash-table.ts';
import type { LoadBalancerOptions } from './load-balancer-options.ts';
import type { Picker } from './picker.ts';
import { stringHash } from './string-hash.ts';

/** Different, so that what is decided by point leaves the places of the keys as even as they were. */
const [keySeed, pointSeed] = [0, 1];

/** Whom a table is made of. */
interface Owners {
  readonly members: readonly Member[];
  readonly weights: readonly number[];
}

/** After so many looks for each member at one without room, the members are looked at instead of the table. */
const looksPerMember = 2;

const nobody: Owners = { members: [], weights: [] };

/** Picks by key, from a ring or a Maglev table. */
export class ConsistentHashPicker implements Picker {
  readonly candidates: Candidates;
  readonly loadChanged: Picker['loadChanged'];
  private readonly start: StartHashTable;
  private readonly keyOf: HashKey;
  /** How much more than its part a member may have; undefined for no bound. */
  private readonly factor: number | undefined;
  private table: HashTable = { owners: new Uint32Array(), placeOf: () => 0 };
  /** Whom {@link table} is made of, whom it should be, and the one that is being made. */
  private owners = nobody;
  private wanted = nobody;
  private building: { readonly owners: Owners; readonly build: HashTableBuild } | undefined = undefined;
  /** Whether there is something to do before the next pick by key: a slice of a table, or {@link usable}. */
  private stale = false;
  private marked = true;
  /** Which of {@link owners} are candidates, as 1. */
  private usable = new Uint8Array();
  private usableCount = 0;
  /** The candidates, and what they have in flight; only with a bound. */
  private counted: ReadonlySet<Member> = new Set();
  private inFlight = 0;

  constructor(start: StartHashTable, { panicThresholdPercent, hash }: LoadBalancerOptions, random: Random) {
    this.start = start;
    this.keyOf = hashKeyOf(hash.source);
    this.factor = hash.balanceFactorPercent === undefined ? undefined : hash.balanceFactorPercent / 100;
    this.candidates = new Candidates(panicThresholdPercent, random);
    this.loadChanged = this.factor === undefined ? undefined : (member, by) => this.count(member, by);
  }

  rebuild(members: readonly Member[]): void {
    const { candidates } = this;
    candidates.rebuild(members);
    // Weightless members own places only where they are candidates, because nobody serves who has weight.
    const owners = candidates.members.every(hasWeight) ? members.filter(hasWeight) : candidates.members;
    if (!sameOwners(this.wanted, owners)) this.wanted = { members: owners, weights: owners.map(weightOf) };
    this.stale = true;
    this.marked = false;
    if (this.factor === undefined) return;
    this.counted = new Set(candidates.members);
    this.inFlight = candidates.members.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  pick(call: Call | undefined, tried: ReadonlySet<Member>): Member | undefined {
    const { candidates } = this;
    const key = call === undefined ? undefined : this.keyOf(call);
    if (key !== undefined && key !== '' && !isAll(tried, candidates.members)) {
      if (this.stale) this.refresh();
      const member = this.memberOf(key, tried);
      if (member !== undefined) return member;
    }
    return candidates.pick(candidates.draw, tried);
  }

  pointOf(call: Call): number | undefined {
    const key = this.keyOf(call);
    return key === undefined || key === '' ? undefined : stringHash(key, pointSeed) / 2 ** 32;
  }

  /** A slice of the work that a change makes; all of it when few of those that the old table is made of can be picked. */
  private refresh(): void {
    do {
      if (this.marked) this.advance();
      else this.markUsable();
    } while (this.owners !== this.wanted && this.usableCount * 2 < this.candidates.members.length);
    this.stale = this.owners !== this.wanted;
  }

  /** A table that was begun is made to the end, even if others are wanted by then: changes may be many. */
  private advance(): void {
    if (this.building === undefined) {
      const { members, weights } = this.wanted;
      this.building = { owners: this.wanted, build: this.start(members, weights) };
      return;
    }
    const table = this.building.build.advance();
    if (table === undefined) return;
    this.table = table;
    this.owners = this.building.owners;
    this.building = undefined;
    this.markUsable();
  }

  private markUsable(): void {
    const { members } = this.owners;
    const candidates = this.candidates.members;
    this.marked = true;
    this.usable = new Uint8Array(members.length);
    // Whoever can be picked is among those that are wanted.
    if (this.owners === this.wanted && members.length === candidates.length) {
      this.usable.fill(1);
      this.usableCount = members.length;
      return;
    }
    const usable = new Set(candidates);
    this.usableCount = 0;
    for (let index = 0; index < members.length; index++) {
      if (!usable.has(members[index] as Member)) continue;
      this.usable[index] = 1;
      this.usableCount++;
    }
  }

  /** The member of `key`: the first usable one from its place on, that was not tried, and has room if there is a bound. */
  private memberOf(key: string, tried: ReadonlySet<Member>): Member | undefined {
    const { table, usable } = this;
    const { owners } = table;
    const { members } = this.owners;
    let withoutRoom: Member | undefined;
    let looks = members.length * looksPerMember;
    const hash = stringHash(key, keySeed);
    let place = table.placeOf(hash);
    for (let left = owners.length; left > 0; left--) {
      const owner = owners[place] as number;
      if (usable[owner] === 1) {
        const member = members[owner] as Member;
        if (tried.size === 0 || !tried.has(member)) {
          if (this.factor === undefined || this.hasRoom(owner)) return member;
          withoutRoom ??= member;
          if (--looks === 0) return this.untriedWithRoom(hash, tried) ?? withoutRoom;
        }
      }
      place = place + 1 < owners.length ? place + 1 : 0;
    }
    return withoutRoom;
  }

  /** The first that {@link memberOf} may give, from a place among the members that depends on the key. */
  private untriedWithRoom(hash: number, tried: ReadonlySet<Member>): Member | undefined {
    const { usable } = this;
    const { members } = this.owners;
    const start = hash % members.length;
    for (let step = 0; step < members.length; step++) {
      const owner = (start + step) % members.length;
      const member = members[owner] as Member;
      if (usable[owner] === 1 && this.hasRoom(owner) && !tried.has(member)) return member;
    }
    return undefined;
  }

  /** Whether the member is below its part of what is in flight with this attempt. */
  private hasRoom(owner: number): boolean {
    const { members, weights } = this.owners;
    const share = (weights[owner] as number) / this.candidates.line.total;
    const most = Math.ceil((this.factor as number) * (this.inFlight + 1) * share);
    return (members[owner] as Member).inFlight < most;
  }

  private count(member: Member, by: 1 | -1): void {
    if (this.counted.has(member)) this.inFlight += by;
  }
}

function isAll(tried: ReadonlySet<Member>, members: readonly Member[]): boolean {
  return tried.size >= members.length && members.every((member) => tried.has(member));
}

function hasWeight({ endpoint }: Member): boolean {
  return endpoint.weight > 0;
}

function sameOwners({ members, weights }: Owners, others: readonly Member[]): boolean {
  if (members.length !== others.length) return false;
  for (let index = 0; index < others.length; index++) {
    const other = others[index] as Member;
    if (other !== members[index] || weightOf(other) !== weights[index]) return false;
  }
  return true;
}
