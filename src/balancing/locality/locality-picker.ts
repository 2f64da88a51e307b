/**
 * How does any balancer respect localities? There is one of it for each group of members, and before it a draw by the
 * shares of the groups. A repeat that finds nobody new in its group goes to the next one that has a healthy member.
 */
import type { Call } from '../../core/call.ts';
import type { Member } from '../../core/member.ts';
import type { Random } from '../../core/random.ts';
import type { Picker } from '../picker.ts';
import { WeightedLine } from '../weighted-line.ts';
import { localityLayout, type OwnPlace } from './locality-groups.ts';
import type { LocalityOptions } from './locality-options.ts';

/** What a {@link LocalityPicker} is made of. */
export interface LocalityPickerParts {
  readonly options: LocalityOptions;
  readonly place: OwnPlace;
  /** Makes the balancer of one group. */
  readonly makePicker: () => Picker;
  /** When the balancer of one group panics. */
  readonly panicThresholdPercent: number;
  readonly random: Random;
}

/** Picks a group, then a member of it. */
export class LocalityPicker implements Picker {
  candidates: { readonly members: readonly Member[] } = { members: [] };
  repeatCandidates: Picker['repeatCandidates'] = undefined;
  loadChanged: Picker['loadChanged'] = undefined;
  loadReported: Picker['loadReported'] = undefined;
  private readonly parts: LocalityPickerParts;
  /** By group, so that a change of the members keeps what a balancer has learnt. */
  private byGroup: ReadonlyMap<string, Picker> = new Map();
  /** For repeats, nearest first, with or without a share. */
  private repeating: readonly Picker[] = [];
  private line = new WeightedLine([]);
  /** Where the pieces of {@link line} lead. */
  private sharing: readonly Picker[] = [];

  constructor(parts: LocalityPickerParts) {
    this.parts = parts;
  }

  rebuild(members: readonly Member[]): void {
    const { options, place, makePicker, panicThresholdPercent } = this.parts;
    const { groups, enough } = localityLayout(members, options, place);
    const pickers = groups.map(({ key, members: own, healthyShare }) => {
      const picker = this.byGroup.get(key) ?? makePicker();
      // Only where the group would panic: a hash table stays as it is while it is given the same members.
      const panics = healthyShare > 0 && healthyShare * 100 < panicThresholdPercent;
      picker.rebuild(enough && panics ? own.filter(({ healthy }) => healthy) : own);
      return picker;
    });
    this.byGroup = new Map(groups.map(({ key }, index) => [key, pickers[index] as Picker]));
    this.loadChanged = pickers.some((picker) => picker.loadChanged !== undefined)
      ? (member, by) => {
          for (const picker of pickers) picker.loadChanged?.(member, by);
        }
      : undefined;
    this.loadReported = pickers.some((picker) => picker.loadReported !== undefined)
      ? (member, now) => {
          for (const picker of pickers) picker.loadReported?.(member, now);
        }
      : undefined;
    this.sharing = pickers.filter((_, index) => (groups[index]?.share ?? 0) > 0);
    this.line = new WeightedLine(groups.map(({ share }) => share).filter((share) => share > 0));
    this.candidates = candidatesOf(this.sharing);
    const anyHealthy = groups.some(({ healthyShare }) => healthyShare > 0);
    this.repeating = pickers.filter((_, index) => !anyHealthy || (groups[index]?.healthyShare ?? 0) > 0);
    this.repeatCandidates =
      this.repeating.length > 1 || this.repeating[0] !== this.sharing[0] ? candidatesOf(this.repeating) : undefined;
  }

  pick(call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined {
    const { sharing, line } = this;
    const index = sharing.length < 2 ? 0 : line.at(this.draw(call) * line.total);
    const member = sharing[index]?.pick(call, tried, now);
    if (member === undefined || tried.size === 0) return member;
    const isNew = !tried.has(member);
    if (isNew && member.healthy) return member;
    // Its group panics; another may have somebody who is well.
    let unhealthy = isNew ? member : undefined;
    for (const picker of this.repeating) {
      const other = picker.pick(call, tried, now);
      if (other === undefined || tried.has(other)) continue;
      if (other.healthy) return other;
      unhealthy ??= other;
    }
    return unhealthy ?? member;
  }

  /** Calls of one key go to one group (Envoy chooses its priority so). */
  private draw(call: Call | undefined): number {
    return (call && this.sharing[0]?.pointOf?.(call)) ?? this.parts.random.next();
  }
}

function candidatesOf(pickers: readonly Picker[]): Picker['candidates'] {
  const [only] = pickers;
  return only !== undefined && pickers.length === 1
    ? only.candidates
    : { members: pickers.flatMap((picker) => picker.candidates.members) };
}
