/**
 * Why look at two members, and not at all of them? The better of two random ones is nearly as good as the best of all,
 * costs the same for 10 as for 10,000 members, and many clients do not all run to the same member (Mitzenmacher, "The
 * Power of Two Choices in Randomized Load Balancing", 2001; Finagle's default, Envoy's least request).
 */
import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { Candidates } from './candidates.ts';
import type { MemberParts, Picker } from './picker.ts';

/** How often a second member is drawn, on a repeat, in the hope that it differs from the first. */
const maxSecondDraws = 4;

/** Draws two different members by weight and picks the one whose {@link Member.load} costs less. */
export class PowerOfTwoPicker implements Picker {
  private readonly random: Random;
  readonly candidates: Candidates;

  constructor(panicThresholdPercent: number, random: Random) {
    this.random = random;
    this.candidates = new Candidates(panicThresholdPercent, random);
  }

  rebuild(members: readonly Member[], parts?: MemberParts): void {
    this.candidates.rebuild(members, parts);
  }

  pick(_call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined {
    if (tried.size > 0) return this.pickAgain(tried, now);
    const { members, line } = this.candidates;
    const count = members.length;
    if (count < 2) return members[0];
    if (!line.even) return this.pickWeighted(now);
    const first = Math.floor(this.random.next() * count);
    const other = Math.floor(this.random.next() * (count - 1));
    return cheaper(members[first] as Member, members[other < first ? other : other + 1] as Member, now);
  }

  /**
   * On the line of weights, bent to a circle, the second point lies a random distance from the first, and at least the
   * heaviest weight away, both ways round. So the two are different, yet each point is still uniformly distributed:
   * members that cost the same get exactly their weight's share. A member with more than half of the weight has to meet
   * itself at times.
   */
  private pickWeighted(now: number): Member {
    const { members, line } = this.candidates;
    const least = Math.min(line.heaviest, line.total / 2);
    const first = this.random.next() * line.total;
    const distance = least + this.random.next() * (line.total - 2 * least);
    const second = first + distance;
    return cheaper(
      members[line.at(first)] as Member,
      members[line.at(second < line.total ? second : second - line.total)] as Member,
      now,
    );
  }

  private pickAgain(tried: ReadonlySet<Member>, now: number): Member | undefined {
    const { candidates } = this;
    const first = candidates.pick(candidates.draw, tried);
    let second = first;
    for (let draws = 0; draws < maxSecondDraws && second === first; draws++) {
      second = candidates.pick(candidates.draw, tried);
    }
    return first === undefined || second === undefined ? undefined : cheaper(first, second, now);
  }
}

/** Of members that cost the same it is the first: which one comes first is random. */
function cheaper(first: Member, second: Member, now: number): Member {
  return second.load.cost(second, now) < first.load.cost(first, now) ? second : first;
}
