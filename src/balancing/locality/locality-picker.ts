/**
 * How does any balancer respect localities? There is one of it for each group of members, and before it a draw by the
 * shares of the groups. A repeat that finds nobody new in its group goes to the next one.
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
  readonly random: Random;
}

/** Picks a group, then a member of it. */
export class LocalityPicker implements Picker {
  candidates: { readonly members: readonly Member[] } = { members: [] };
  loadChanged: Picker['loadChanged'] = undefined;
  loadReported: Picker['loadReported'] = undefined;
  private readonly parts: LocalityPickerParts;
  /** By group, so that a change of the members keeps what a balancer has learnt. */
  private byGroup: ReadonlyMap<string, Picker> = new Map();
  /** Nearest first; those without a share are for repeats. */
  private pickers: readonly Picker[] = [];
  private line = new WeightedLine([]);
  /** Where the pieces of {@link line} lead. */
  private sharing: readonly Picker[] = [];

  constructor(parts: LocalityPickerParts) {
    this.parts = parts;
  }

  rebuild(members: readonly Member[]): void {
    const { options, place, makePicker } = this.parts;
    const { groups, enough } = localityLayout(members, options, place);
    const pickers = groups.map(({ key, members: own }) => {
      const picker = this.byGroup.get(key) ?? makePicker();
      const healthy = enough ? own.filter((member) => member.healthy) : own;
      picker.rebuild(healthy.length > 0 ? healthy : own);
      return picker;
    });
    this.byGroup = new Map(groups.map(({ key }, index) => [key, pickers[index] as Picker]));
    this.pickers = pickers;
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
    const [only, ...others] = this.sharing;
    this.candidates =
      only !== undefined && others.length === 0
        ? only.candidates
        : { members: this.sharing.flatMap((picker) => picker.candidates.members) };
  }

  pick(call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined {
    const { sharing, line } = this;
    const index = sharing.length < 2 ? 0 : line.at(this.draw(call) * line.total);
    const member = sharing[index]?.pick(call, tried, now);
    if (member === undefined || tried.size === 0 || !tried.has(member)) return member;
    for (const picker of this.pickers) {
      const other = picker.pick(call, tried, now);
      if (other !== undefined && !tried.has(other)) return other;
    }
    return member;
  }

  /** Calls of one key go to one group (Envoy chooses its priority so). */
  private draw(call: Call | undefined): number {
    return (call && this.sharing[0]?.pointOf?.(call)) ?? this.parts.random.next();
  }
}
