/**
 * Why not use all endpoints of a large service? Each process would keep connections to thousands of them, most idle and
 * cold, and know little of each. So it uses a few, and only those are connected to; the others stay known.
 *
 * Fewer healthy ones than the panic threshold's share of the subset, and it takes in others, as long as there are some
 * that are healthy: a subset is never worse off than the whole service.
 */
import type { Call } from '../../core/call.ts';
import type { Member } from '../../core/member.ts';
import { isPanic, wantedOf } from '../candidates.ts';
import type { Picker } from '../picker.ts';
import type { ChooseSubset } from './subset.ts';

/** What a {@link SubsetPicker} is made of. */
export interface SubsetPickerParts {
  /** How many members are wanted, ≥ 1. */
  readonly size: number;
  readonly choose: ChooseSubset;
  /** As of {@link inner}. */
  readonly panicThresholdPercent: number;
  /** Picks from the subset. */
  readonly inner: Picker;
}

/** Picks from a subset. */
export class SubsetPicker implements Picker {
  readonly loadChanged: Picker['loadChanged'];
  readonly loadReported: Picker['loadReported'];
  readonly pointOf: Picker['pointOf'];
  private readonly parts: SubsetPickerParts;

  constructor(parts: SubsetPickerParts) {
    const { inner } = parts;
    this.parts = parts;
    this.loadChanged = inner.loadChanged && ((member, by) => inner.loadChanged?.(member, by));
    this.loadReported = inner.loadReported && ((member, now) => inner.loadReported?.(member, now));
    this.pointOf = inner.pointOf && ((call) => inner.pointOf?.(call));
  }

  get candidates(): Picker['candidates'] {
    return this.parts.inner.candidates;
  }

  rebuild(all: readonly Member[]): void {
    const { size, choose, panicThresholdPercent, inner } = this.parts;
    const wanted = wantedOf(all);
    const healthy = wanted.reduce((sum, member) => sum + (member.healthy ? 1 : 0), 0);
    const least = Math.max(1, Math.ceil((Math.min(size, wanted.length) * panicThresholdPercent) / 100));
    const { members, parts } = choose(wanted, Math.min(healthy, least));
    // Who was taken in for the unhealthy ones stands beside them: they must not seem to be a majority.
    const panic = isPanic(healthy, wanted.length, panicThresholdPercent);
    inner.rebuild(panic ? members : members.filter((member) => member.healthy), parts);
  }

  pick(call: Call | undefined, tried: ReadonlySet<Member>, now: number): Member | undefined {
    return this.parts.inner.pick(call, tried, now);
  }
}
