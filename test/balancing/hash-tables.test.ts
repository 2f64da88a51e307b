import { describe, expect, it } from 'vitest';
import type { HashTable, StartHashTable } from '../../src/balancing/hash-table.ts';
import { maglev } from '../../src/balancing/maglev.ts';
import { ringHash } from '../../src/balancing/ring-hash.ts';
import { mixed } from '../../src/balancing/string-hash.ts';
import type { Member } from '../../src/core/member.ts';
import { fakeMember, fakeMembers } from './fake-member.ts';

/** As many keys as are looked at, spread as hashes are. */
const keys = 20_000;

function tableOf(start: StartHashTable, members: readonly Member[]): HashTable {
  const weights = members.map(({ endpoint }) => endpoint.weight);
  const build = start(members, weights);
  for (;;) {
    const table = build.advance();
    if (table !== undefined) return table;
  }
}

function ownersOf(start: StartHashTable, members: readonly Member[]): Member[] {
  const table = tableOf(start, members);
  return Array.from({ length: keys }, (_, key) => members[table.owners[table.placeOf(mixed(key))]!] as Member);
}

function countOf(owners: readonly Member[]): Map<Member, number> {
  const counts = new Map<Member, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}

/** How many keys have another owner; and how many of them moved between two members that are in both. */
function movesOf(before: readonly Member[], after: readonly Member[]) {
  const [were, are] = [new Set(before), new Set(after)];
  const moved = before.flatMap((owner, key) => (owner === after[key] ? [] : [[owner, after[key] as Member] as const]));
  return { moved: moved.length, betweenStaying: moved.filter(([from, to]) => are.has(from) && were.has(to)).length };
}

const tables: [name: string, start: StartHashTable, tolerance: number, mayMove: number][] = [
  ['ringHash', ringHash(1_024), 0.15, 0],
  ['maglev', maglev(65_537), 0.08, 0.02],
];

describe.each(tables)('%s', (_name, start, tolerance, mayMove) => {
  it.each([[[1]], [[1, 1]], [[1, 2, 3, 4]], [[100, 200, 100]], [Array.from({ length: 50 }, () => 1)]])(
    'gives each member its share of the keys by the weights %j',
    (weights) => {
      const members = weights.map((weight, index) => fakeMember({ port: index + 1, weight }));
      const counts = countOf(ownersOf(start, members));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const noise = 4 * Math.sqrt((keys / total) * Math.max(...weights));
      for (const member of members) {
        const expected = (keys * member.endpoint.weight) / total;
        expect(Math.abs((counts.get(member) ?? 0) - expected)).toBeLessThan(expected * tolerance + noise);
      }
    },
  );

  it('gives the same owners whatever the order of the members', () => {
    const members = Array.from({ length: 40 }, (_, index) => fakeMember({ port: index + 1, weight: 1 + (index % 3) }));
    const mirrored = ownersOf(start, members.toReversed());
    expect(ownersOf(start, members)).toEqual(mirrored);
  });

  it.each([2, 3, 10, 16, 17, 33, 60])('moves the keys of the member that goes when there were %i', (count) => {
    const members = fakeMembers(count);
    const before = ownersOf(start, members);
    const gone = members[count >> 1] as Member;
    const after = ownersOf(
      start,
      members.filter((member) => member !== gone),
    );
    const { moved, betweenStaying } = movesOf(before, after);
    const had = before.filter((owner) => owner === gone).length;
    expect(moved - betweenStaying).toBe(had);
    expect(betweenStaying).toBeLessThanOrEqual(keys * mayMove);
  });

  it('moves few keys when one of a thousand members comes', () => {
    const members = fakeMembers(1_001);
    const { moved } = movesOf(ownersOf(start, members.slice(1)), ownersOf(start, members));
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(keys * 0.03);
  });

  it('has a place for each of 10,000 members, one of them far heavier', () => {
    const members = Array.from({ length: 10_000 }, (_, index) =>
      fakeMember({ port: index + 1, weight: index === 0 ? 10_000 : 1 }),
    );
    const counts = countOf(ownersOf(start, members));
    expect((counts.get(members[0] as Member) as number) / keys).toBeCloseTo(0.5, 1);
    expect(new Set(tableOf(start, members).owners).size).toBeGreaterThan(9_900);
  });
});

describe('ringHash', () => {
  it('has the points that it was told at least, and no ring without bounds', () => {
    const sizeOf = (minimum: number, members: number) => tableOf(ringHash(minimum), fakeMembers(members)).owners.length;
    expect(sizeOf(1_024, 1)).toBe(1_024);
    expect(sizeOf(1_024, 10)).toBe(10_240);
    expect(sizeOf(1_024, 5_000)).toBeGreaterThan(64_000);
    expect(sizeOf(1_024, 5_000)).toBeLessThan(67_000);
    expect(sizeOf(100_000, 7)).toBeGreaterThanOrEqual(99_990);
    expect(sizeOf(1, 3)).toBe(3);
  });
});

describe('maglev', () => {
  it('gives members of one weight the same number of entries, to within one', () => {
    const table = tableOf(maglev(65_537), fakeMembers(1_000));
    const counts = [...Map.groupBy(table.owners, (owner) => owner).values()].map((entries) => entries.length);
    expect(new Set(counts)).toEqual(new Set([65, 66]));
  });

  it.each([2, 3, 5, 101])('fills a table of %i entries', (size) => {
    const table = tableOf(maglev(size), fakeMembers(4));
    expect(table.owners).toHaveLength(size);
    expect(Math.max(...table.owners)).toBeLessThan(4);
  });
});
