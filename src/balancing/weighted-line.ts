/**
 * How is one of n items drawn by weight without looking at n of them? The items lie on a line, each as long as its
 * weight; a guide table says where to begin the search for a point. The expected number of steps is below 2 for
 * any weights (Chen and Asau, "On generating random variates from an empirical distribution", 1974).
 */
export class WeightedLine {
  /** The length of the line. */
  readonly total: number;
  /** The greatest weight. */
  readonly heaviest: number;
  /** Whether all weights are equal. */
  readonly even: boolean;
  private readonly count: number;
  /** Only for weights that differ: others need no table. */
  private readonly ends: Float64Array;
  private readonly guide: Uint32Array;

  /** @param weights at least one, all above 0. */
  constructor(weights: readonly number[]) {
    const count = weights.length;
    let total = 0;
    let heaviest = 0;
    let even = true;
    for (let index = 0; index < count; index++) {
      const weight = weights[index] as number;
      total += weight;
      if (weight > heaviest) heaviest = weight;
      if (weight !== weights[0]) even = false;
    }
    this.count = count;
    this.total = total;
    this.heaviest = heaviest;
    this.even = even;
    this.ends = new Float64Array(even ? 0 : count);
    this.guide = new Uint32Array(even ? 0 : count);
    if (!even) this.fill(weights);
  }

  private fill(weights: readonly number[]): void {
    const { ends, guide, count, total } = this;
    let end = 0;
    for (let index = 0; index < count; index++) {
      end += weights[index] as number;
      ends[index] = end;
    }
    for (let slot = 0, index = 0; slot < count; slot++) {
      while ((ends[index] as number) <= (slot * total) / count) index++;
      guide[slot] = index;
    }
  }

  /** The index of the item that lies at `point`, in [0, {@link total}). */
  at(point: number): number {
    const last = this.count - 1;
    if (this.even) return Math.min(last, Math.floor(point / this.heaviest));
    const slot = Math.floor((point / this.total) * this.count);
    let index = this.guide[slot < last ? slot : last] as number;
    while (index > 0 && (this.ends[index - 1] as number) > point) index--;
    while (index < last && (this.ends[index] as number) <= point) index++;
    return index;
  }
}
