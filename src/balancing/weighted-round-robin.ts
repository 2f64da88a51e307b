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

/** No member counts for more than this many times the usual one, nor for less than that part of it. */
const mostRatio = 10;

/** Weights that differ by less than this share are the same. */
const closeness = 0.1;

/** Turns by reported weights. */
export class WeightedRoundRobinPicker implements Picker {
  private readonly options: WeightedRoundRobinOptions;
  private readonly random: Random;
  /** Has the candidates, and the turns while too few report. */
  private readonly plain: RoundRobinPicker;
  private parts: MemberParts | undefined = undefined;
  /** Undefined while too few report. */
  private schedule: EdfSchedule | undefined = undefined;
  /** Of {@link schedule}. */
  private weights: readonly number[] = [];
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
    let known = 0;
    for (let index = 0; index < members.length; index++) {
      const { load } = members[index] as Member;
      const weight = load instanceof ReportedWeight ? load.weightAt(now, this.options) : 0;
      weights[index] = weight;
      if (weight > 0) known++;
    }
    if (known < 2) {
      this.schedule = undefined;
      return;
    }
    const { parts } = this;
    const mean = withoutExtremes(weights, known);
    for (let index = 0; index < members.length; index++) {
      const member = members[index] as Member;
      const weight = weights[index] === 0 ? mean : (weights[index] as number);
      weights[index] = weight * (parts === undefined ? member.warmth : member.warmth * (parts.get(member) ?? 1));
    }
    // A new schedule begins at random places: one for each few picks would share them by chance.
    if (this.schedule !== undefined && areClose(weights, this.weights)) return;
    this.weights = weights;
    this.schedule = new EdfSchedule(weights, this.random);
  }

  private readonly next = (): Member => this.candidates.members[(this.schedule as EdfSchedule).next()] as Member;
}

/** Brings weights that are known within reach of the usual one; answers with their mean. */
function withoutExtremes(weights: number[], known: number): number {
  const sorted = Float64Array.from(weights.filter((weight) => weight > 0)).sort();
  const usual = sorted[(known - 1) >> 1] as number;
  let total = 0;
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index] as number;
    if (weight === 0) continue;
    // One report that is far off must not take the calls of all others, nor lose its own.
    weights[index] = Math.min(usual * mostRatio, Math.max(usual / mostRatio, weight));
    total += weights[index] as number;
  }
  return total / known;
}

function areClose(weights: readonly number[], before: readonly number[]): boolean {
  return (
    weights.length === before.length &&
    weights.every((weight, index) => Math.abs(weight - (before[index] as number)) <= closeness * weight)
  );
}
