import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { Candidates } from './candidates.ts';
import type { MemberParts, Picker } from './picker.ts';

/** Each pick is drawn by weight, whatever was picked before. */
export class RandomPicker implements Picker {
  readonly candidates: Candidates;

  constructor(panicThresholdPercent: number, random: Random) {
    this.candidates = new Candidates(panicThresholdPercent, random);
  }

  rebuild(members: readonly Member[], parts?: MemberParts): void {
    this.candidates.rebuild(members, parts);
  }

  pick(_call: Call | undefined, tried: ReadonlySet<Member>): Member | undefined {
    return this.candidates.pick(this.candidates.draw, tried);
  }
}
