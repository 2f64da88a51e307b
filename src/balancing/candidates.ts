/**
 * Whom may a balancer choose from? The same for every balancer, so it is decided here. In this order:
 *
 * 1. Draining members, and members of weight 0, get nothing while there are others, healthy or not: an operator said so.
 * 2. Of the rest only the healthy ones, unless so few are left that they would drown in the traffic of all. Then the
 *    health is not believed, and all get calls: panic (Envoy, `healthy_panic_threshold`). Nobody warms up then: those who
 *    came back would get less than those who are down.
 * 3. Of these nobody that the call has tried, while another is left (Envoy, `previous_hosts`).
 */
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import type { MemberParts } from './picker.ts';
import { WeightedLine } from './weighted-line.ts';

/** A draw that hits a tried member is repeated; after this many {@link Candidates.pick} looks instead of drawing. */
const maxDraws = 4;

/** How many members beyond the number of tried ones a look around takes in: enough for a choice by weight. */
const neighbourhood = 8;

/** The members that may be chosen, in the order of {@link line}. */
export class Candidates {
  members: readonly Member[] = [];
  /** Their weights, all above 0. */
  weights: readonly number[] = [];
  /** {@link weights} end to end. */
  line = new WeightedLine([]);
  private readonly panicThresholdPercent: number;
  private readonly random: Random;

  /** @param panicThresholdPercent see {@link import('./load-balancer-options.ts').LoadBalancerOptions}. */
  constructor(panicThresholdPercent: number, random: Random) {
    this.panicThresholdPercent = panicThresholdPercent;
    this.random = random;
  }

  /** Takes the members anew. */
  rebuild(members: readonly Member[], parts?: MemberParts): void {
    this.members = usable(members, this.panicThresholdPercent);
    // As it goes by health, one that is not healthy is among them in panic only.
    const weight = this.members.every(isHealthy) ? weightOf : fullWeightOf;
    this.weights = this.members.map(
      parts === undefined ? weight : (member) => weight(member) * (parts.get(member) ?? 1),
    );
    this.line = new WeightedLine(this.weights);
  }

  /** One of them, by weight. There has to be one. */
  readonly draw = (): Member => this.members[this.line.at(this.random.next() * this.line.total)] as Member;

  /**
   * What `draw` gives, but no member of `tried` while another is left; `undefined` when there are no members.
   *
   * @param draw one of {@link members}.
   */
  pick(draw: () => Member, tried: ReadonlySet<Member>): Member | undefined {
    if (this.members.length === 0) return undefined;
    let member = draw();
    if (tried.size === 0) return member;
    for (let draws = 1; draws < maxDraws && tried.has(member); draws++) member = draw();
    return tried.has(member) ? (this.lookAround(tried) ?? member) : member;
  }

  /**
   * By weight among the untried members next to a random place. As it looks at more members than were tried, it finds
   * one if there is one; a small cluster is looked at as a whole.
   */
  private lookAround(tried: ReadonlySet<Member>): Member | undefined {
    const count = this.members.length;
    const looks = Math.min(count, tried.size + neighbourhood);
    let index = Math.floor(this.random.next() * count);
    let chosen: Member | undefined;
    let seenWeight = 0;
    for (let look = 0; look < looks; look++, index = index + 1 < count ? index + 1 : 0) {
      const member = this.members[index] as Member;
      if (tried.has(member)) continue;
      const weight = this.weights[index] as number;
      seenWeight += weight;
      if (this.random.next() * seenWeight < weight) chosen = member;
    }
    return chosen;
  }
}

function usable(members: readonly Member[], panicThresholdPercent: number): readonly Member[] {
  // The usual case, and much faster than to sort them out.
  if (members.every(isUsable)) return members.slice();
  const wanted = wantedOf(members);
  const healthy = wanted.filter((member) => member.healthy);
  return isPanic(healthy.length, wanted.length, panicThresholdPercent) ? wanted.slice() : healthy;
}

/** Who gets calls if all are healthy. */
export function wantedOf(members: readonly Member[]): readonly Member[] {
  if (members.every(isServing)) return members;
  const serving = members.filter(({ endpoint }) => endpoint.state === 'serving');
  const weighted = serving.filter(({ endpoint }) => endpoint.weight > 0);
  return weighted.length > 0 ? weighted : serving.length > 0 ? serving : members;
}

/** Whether so few of those that are wanted are healthy that all have to get calls. */
export function isPanic(healthy: number, wanted: number, panicThresholdPercent: number): boolean {
  return healthy === 0 || healthy * 100 < panicThresholdPercent * wanted;
}

function isServing({ endpoint }: Member): boolean {
  return endpoint.weight > 0 && endpoint.state === 'serving';
}

function isUsable(member: Member): boolean {
  return member.healthy && isServing(member);
}

function isHealthy({ healthy }: Member): boolean {
  return healthy;
}

/** Members of weight 0 are among the candidates only when there is nobody else; then they share equally. */
export function weightOf(member: Member): number {
  return fullWeightOf(member) * member.warmth;
}

function fullWeightOf({ endpoint }: Member): number {
  return endpoint.weight > 0 ? endpoint.weight : 1;
}
