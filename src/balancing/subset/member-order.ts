import type { Member } from '../../core/member.ts';

/**
 * `members` in the order of `hashes`, of 32 bits each. Sorted as plain numbers, ten times as fast as by a comparison:
 * a change of 10,000 members takes a millisecond. Of equal hashes the one of the lower `ties` comes first.
 */
export function inOrderOf(members: readonly Member[], hashes: Uint32Array, ties: Uint32Array): Member[] {
  const { length } = members;
  const keys = new Float64Array(length);
  // The hash above the index fits into the 53 bits of a number.
  for (let index = 0; index < length; index++) keys[index] = (hashes[index] as number) * indexRange + index;
  keys.sort();
  const order = new Uint32Array(length);
  for (let place = 0; place < length; place++) {
    const index = (keys[place] as number) % indexRange;
    let at = place;
    for (; at > 0 && isBefore(index, order[at - 1] as number); at--) order[at] = order[at - 1] as number;
    order[at] = index;
  }
  return Array.from(order, (index) => members[index] as Member);

  function isBefore(one: number, other: number): boolean {
    return hashes[one] === hashes[other] && ties[one]! < ties[other]!;
  }
}

/** More members than any service has. */
const indexRange = 2 ** 21;
