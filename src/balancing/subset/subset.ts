import type { Member } from '../../core/member.ts';
import type { MemberParts } from '../picker.ts';

/** Some members of a service. */
export interface Subset {
  /** At least one, if there were any to choose from. */
  readonly members: readonly Member[];
  /** Those that count with a part of their weight; undefined when all count with all of it. */
  readonly parts: MemberParts | undefined;
}

/**
 * Chooses the same ones for the same members, in whatever order they come.
 *
 * @param members whom to choose from.
 * @param leastHealthy how many of them have to be healthy; it takes in more than usual for that, if there are so many.
 */
export type ChooseSubset = (members: readonly Member[], leastHealthy: number) => Subset;
