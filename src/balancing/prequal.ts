/**
 * Why probe members, when those that answered are known already? A balancer that knows only where it has sent calls knows
 * least about those that it avoids, and two random ones may both be slow. Prequal chooses among a pool of recent probes of
 * random members, by what is in flight and by latency, and neither is averaged away ({@link ProbePool}).
 *
 * Here a probe needs no request: the mesh holds what is known of each member, so each pick probes three at random by
 * looking. That is why a probe is used once only (the paper's bound on reuse is for probes that are scarce), and why the
 * pool never runs empty. A reply with a report of the server's requests in flight is a probe too.
 */
import type { Call } from '../core/call.ts';
import type { Member } from '../core/member.ts';
import type { Random } from '../core/random.ts';
import { Candidates } from './candidates.ts';
import type { LoadBalancerOptions } from './load-balancer-options.ts';
import type { MemberParts, Picker } from './picker.ts';
import { PrequalLoad } from './prequal-load.ts';
import { ProbePool } from './probe-pool.ts';

/** Members that a pick probes. The paper's default. */
const probesPerPick = 3;

/** Stands in for members that have another metric: before the load balancer was changed, and in tests. */
const unknownLoad = new PrequalLoad();

/** Picks by recent probes of random members. */
export class PrequalPicker implements Picker {
  readonly candidates: Candidates;
  private readonly random: Random;
  private readonly pool: ProbePool;
  /** What a member of weight 1 has to be multiplied with to be compared by weight. */
  private meanWeight = 1;
  /** Where each candidate is; made for the first report after a change. */
  private places: ReadonlyMap<Member, number> | undefined = undefined;

  constructor({ panicThresholdPercent, prequal }: LoadBalancerOptions, random: Random) {
    this.random = random;
    this.candidates = new Candidates(panicThresholdPercent, random);
    this.pool = new ProbePool(prequal);
  }

  rebuild(members: readonly Member[], parts?: MemberParts): void {
    const { candidates } = this;
    candidates.rebuild(members, parts);
    this.meanWeight = candidates.line.total / Math.max(1, candidates.members.length);
    this.places = undefined;
    // Who is probed may be gone, or ejected.
    this.pool.clear();
  }

  pick(_call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined {
    const { candidates, pool } = this;
    const { members, line } = candidates;
    if (members.length < 2) return members[0];
    for (let probe = 0; probe < probesPerPick; probe++) {
      this.probe(line.at(this.random.next() * line.total), now);
    }
    return pool.take(tried, now) ?? candidates.pick(candidates.draw, tried);
  }

  loadReported(member: Member, now: number): void {
    this.places ??= new Map(this.candidates.members.map((candidate, place) => [candidate, place]));
    const place = this.places.get(member);
    if (place !== undefined) this.probe(place, now);
  }

  private probe(place: number, now: number): void {
    const { members, weights, line } = this.candidates;
    const member = members[place] as Member;
    const load = member.load instanceof PrequalLoad ? member.load : unknownLoad;
    this.pool.add(member, load, line.even ? 1 : this.meanWeight / (weights[place] as number), now);
  }
}
