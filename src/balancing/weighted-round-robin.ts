/**
 * How do members share the calls by what each can take, when nobody wrote weights down? They report how busy they are
 * ({@link ReportedWeight}), and take turns by that: one that does the same for half of the CPU gets twice as much
 * (gRPC A58, `client_side_weighted_round_robin`).
 *
 * The weights are looked at with the first pick after each period, so that there is no timer, and an idle service costs
 * nothing. As in gRPC they stand in place of the weights of the endpoints; these hold while fewer than two members report.
 */
import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { EdfSchedule } from './edf-schedule.ts';
import type { LoadBalancerOptions } from './load-balancer-options.ts';
import type { MemberParts, Picker } from './picker.ts';
import { ReportedWeight } from './reported-weight.ts';
import { RoundRobinPicker } from './round-robin.ts';
import type { WeightedRoundRobinOptions } from './weighted-round-robin-options.ts';

/** Turns by reported weights. */
export class WeightedRoundRobinPicker implements Picker {
  private readonly options: WeightedRoundRobinOptions;
  private readonly random: Random;
  /** Has the candidates, and the turns while too few report. */
  private readonly plain: RoundRobinPicker;
  private parts: MemberParts | undefined = undefined;
  /** Undefined while too few report. */
  private schedule: EdfSchedule | undefined = undefined;
  private updatedAt = Number.NEGATIVE_INFINITY;

  constructor({ panicThresholdPercent, weightedRoundRobin }: LoadBalancerOptions, random: Random) {
    this.options = weightedRoundRobin;
    this.random = random;
    this.plain = new RoundRobinPicker(panicThresholdPercent, random);
  }

  get candidates(): RoundRobinPicker['candidates'] {
    return this.plain.candidates;
  }

  rebuild(members: readonly Member[], parts?: MemberParts): void {
    this.plain.rebuild(members, parts);
    this.parts = parts;
    this.schedule = undefined;
    this.updatedAt = Number.NEGATIVE_INFINITY;
  }

  pick(call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined {
    if (now - this.updatedAt >= this.options.updateMs) this.update(now);
    return this.schedule === undefined ? this.plain.pick(call, tried) : this.candidates.pick(this.next, tried);
  }

  private update(now: number): void {
    this.updatedAt = now;
    const { members } = this.candidates;
    const weights = new Array<number>(members.length);
    let [total, known] = [0, 0];
    for (let index = 0; index < members.length; index++) {
      const { load } = members[index] as Member;
      const weight = load instanceof ReportedWeight ? load.weightAt(now, this.options) : 0;
      weights[index] = weight;
      total += weight;
      if (weight > 0) known++;
    }
    if (known < 2) {
      this.schedule = undefined;
      return;
    }
    const { parts } = this;
    for (let index = 0; index < members.length; index++) {
      if (weights[index] === 0) weights[index] = total / known;
      const member = members[index] as Member;
      weights[index]! *= parts === undefined ? member.warmth : member.warmth * (parts.get(member) ?? 1);
    }
    this.schedule = new EdfSchedule(weights, this.random);
  }

  private readonly next = (): Member => this.candidates.members[(this.schedule as EdfSchedule).next()] as Member;
}
