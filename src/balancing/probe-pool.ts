/**
 * Which probes are kept? A few, the youngest; a pick chooses among them by the hot-cold rule: of the cold ones the fastest,
 * and when all are hot the one with the least in flight (Wydrowski et al., "Load is not what you should balance:
 * Introducing Prequal", NSDI 2024, section 4).
 *
 * The paper's servers tell how long requests take with as many in flight as now. From here only past latencies are seen, so
 * the fastest is the one whose latency times our own attempts in flight, with this one, is least (as in peak EWMA). By latency
 * alone the calls would run to one server after the other, and each would be left alone for long once it had a queue.
 *
 * What a member has in flight from here is read when it is needed; only what others have there, and the latency, are as
 * old as the probe. So an attempt counts at once wherever its member is probed, which the paper does by hand.
 */
import type { Member } from '../core/member.ts';
import type { PrequalLoad } from './prequal-load.ts';
import type { PrequalOptions } from './prequal-options.ts';
import { RunningQuantile } from './running-quantile.ts';

/** A member as it was when it was probed. */
interface Probe {
  member: Member | undefined;
  /** In flight from other clients. */
  others: number;
  /** Brings what is in flight down to a member of the mean weight. */
  scale: number;
  latencyMs: number;
  probedAt: number;
}

/** How many samples make the distribution of what is in flight: 128, of which one in six is above the 0.84-quantile. */
const distributionSize = 128;

/**
 * Nobody is hot with so few in flight: among small numbers the distribution is chance. Where our own requests are all
 * that is known, a fast member would be left for a slow one with every second request.
 */
const coldInFlight = 4;

/** Some probes of members. */
export class ProbePool {
  private readonly options: PrequalOptions;
  private readonly distribution: RunningQuantile;
  /** The first {@link size} are in use, oldest first. */
  private readonly probes: Probe[];
  private size = 0;
  private dropsOldest = true;

  constructor(options: PrequalOptions) {
    this.options = options;
    this.distribution = new RunningQuantile(options.hotQuantile, distributionSize);
    this.probes = Array.from({ length: options.poolSize }, () => ({
      member: undefined,
      others: 0,
      scale: 1,
      latencyMs: 0,
      probedAt: 0,
    }));
  }

  /** Forgets all probes. */
  clear(): void {
    for (const probe of this.probes) probe.member = undefined;
    this.size = 0;
  }

  /**
   * Takes a probe of `member`; the oldest one goes when there is no room.
   *
   * @param scale brings what is in flight down to a member of the mean weight.
   */
  add(member: Member, load: PrequalLoad, scale: number, now: number): void {
    const { probes, options } = this;
    if (this.size === probes.length) this.remove(0);
    const probe = probes[this.size++] as Probe;
    probe.member = member;
    probe.others = load.othersAt(now, options.probeAgeMs);
    probe.scale = scale;
    probe.latencyMs = load.expectedMs(member, now);
    probe.probedAt = now;
    this.distribution.add(inFlight(probe));
  }

  /**
   * Uses the best probe of a member that is not in `tried`, and drops one more, in turn the oldest and the worst, so that
   * the pool does not fill with those that nobody wants. `undefined` when there is none.
   */
  take(tried: ReadonlySet<Member>, now: number): Member | undefined {
    this.expire(now);
    const hotFrom = Math.max(this.distribution.value, coldInFlight);
    let [best, worst] = [-1, -1];
    let [bestLoad, worstLoad] = [Number.POSITIVE_INFINITY, -1];
    let [bestIsHot, worstIsHot] = [true, false];
    for (let index = 0; index < this.size; index++) {
      const probe = this.probes[index] as Probe;
      const load = inFlight(probe);
      const isHot = load > hotFrom;
      const rank = isHot ? load : probe.latencyMs * ((probe.member as Member).inFlight + 1);
      if (isHot === worstIsHot ? rank > worstLoad : isHot) {
        worst = index;
        worstLoad = rank;
        worstIsHot = isHot;
      }
      // Of equal ones the youngest.
      if (isHot === bestIsHot ? rank <= bestLoad : bestIsHot) {
        if (tried.size > 0 && tried.has(probe.member as Member)) continue;
        best = index;
        bestLoad = rank;
        bestIsHot = isHot;
      }
    }
    if (best < 0) return undefined;
    const { member } = this.probes[best] as Probe;
    const dropped = this.dropsOldest ? 0 : worst;
    this.dropsOldest = !this.dropsOldest;
    this.drop(best, dropped);
    return member;
  }

  /** In one go: each pick drops two. */
  private drop(one: number, other: number): void {
    const { probes, size } = this;
    let kept = 0;
    for (let index = 0; index < size; index++) {
      if (index === one || index === other) continue;
      if (index !== kept) {
        const probe = probes[index] as Probe;
        probes[index] = probes[kept] as Probe;
        probes[kept] = probe;
      }
      kept++;
    }
    for (let index = kept; index < size; index++) (probes[index] as Probe).member = undefined;
    this.size = kept;
  }

  private expire(now: number): void {
    const before = now - this.options.probeAgeMs;
    while (this.size > 0 && (this.probes[0] as Probe).probedAt < before) this.remove(0);
  }

  private remove(place: number): void {
    const { probes } = this;
    const removed = probes[place] as Probe;
    const last = --this.size;
    for (let index = place; index < last; index++) probes[index] = probes[index + 1] as Probe;
    probes[last] = removed;
    removed.member = undefined;
  }
}

function inFlight({ member, others, scale }: Probe): number {
  return (others + (member as Member).inFlight) * scale;
}
