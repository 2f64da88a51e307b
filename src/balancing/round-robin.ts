import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { Candidates } from './candidates.ts';
import { EdfSchedule } from './edf-schedule.ts';
import type { MemberParts, Picker } from './picker.ts';

/**
 * The members take turns, by weight. With equal weights this is a rotation from a random start, O(1) a pick; with
 * unequal ones an {@link EdfSchedule}, O(log n).
 */
export class RoundRobinPicker implements Picker {
  private readonly random: Random;
  readonly candidates: Candidates;
  /** Only for unequal weights. */
  private schedule: EdfSchedule | undefined = undefined;
  private turn = 0;

  constructor(panicThresholdPercent: number, random: Random) {
    this.random = random;
    this.candidates = new Candidates(panicThresholdPercent, random);
  }

  rebuild(members: readonly Member[], parts?: MemberParts): void {
    this.candidates.rebuild(members, parts);
    const { line, weights } = this.candidates;
    this.schedule = line.even ? undefined : new EdfSchedule(weights, this.random);
    this.turn = Math.floor(this.random.next() * weights.length);
  }

  pick(_call: Call | undefined, tried: ReadonlySet<Member>): Member | undefined {
    return this.candidates.pick(this.next, tried);
  }

  private readonly next = (): Member => {
    const { members } = this.candidates;
    if (this.schedule !== undefined) return members[this.schedule.next()] as Member;
    const member = members[this.turn] as Member;
    this.turn = this.turn + 1 < members.length ? this.turn + 1 : 0;
    return member;
  };
}
