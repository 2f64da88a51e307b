/**
 * How do turns go around by weight without bunching? Earliest deadline first, as in Envoy's `EdfScheduler`: an item of
 * weight w is due every 1/w units, and the item that is due next gets the turn. In any stretch of turns each item has
 * its share to within one or two.
 *
 * Each item starts at a random place within its first period. Otherwise a rebuild would begin with the same items every
 * time, in every process.
 */
import type { Random } from '../core/random.ts';

/** Turns of n items by weight; a turn costs O(log n). */
export class EdfSchedule {
  private readonly periods: Float64Array;
  private readonly dueAt: Float64Array;
  /** Indices as a binary heap, the one due first at 0. */
  private readonly heap: Uint32Array;

  /** @param weights at least one, all above 0. */
  constructor(weights: readonly number[], random: Random) {
    const { length } = weights;
    this.periods = new Float64Array(length);
    this.dueAt = new Float64Array(length);
    this.heap = new Uint32Array(length);
    for (let item = 0; item < length; item++) {
      const period = 1 / (weights[item] as number);
      this.periods[item] = period;
      this.dueAt[item] = period * random.next();
      this.heap[item] = item;
    }
    // From the bottom up each part becomes a heap, in O(n) altogether.
    for (let place = (length >> 1) - 1; place >= 0; place--) this.sink(this.heap[place] as number, place);
  }

  /** The index of the item whose turn it is. */
  next(): number {
    const first = this.heap[0] as number;
    this.dueAt[first] = (this.dueAt[first] as number) + (this.periods[first] as number);
    this.sink(first, 0);
    return first;
  }

  /** Moves `item` from the place `top` down to where it belongs. */
  private sink(item: number, top: number): void {
    const { heap, dueAt } = this;
    const due = dueAt[item] as number;
    let place = top;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && dueAt[heap[child + 1]!]! < dueAt[heap[child]!]!) child++;
      const candidate = heap[child] as number;
      if ((dueAt[candidate] as number) >= due) break;
      heap[place] = candidate;
      place = child;
    }
    heap[place] = item;
  }
}
