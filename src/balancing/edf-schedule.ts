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
    this.periods = Float64Array.from(weights, (weight) => 1 / weight);
    this.dueAt = this.periods.map((period) => period * random.next());
    // A sorted array is a heap.
    this.heap = Uint32Array.from(weights.keys()).sort((a, b) => (this.dueAt[a] as number) - (this.dueAt[b] as number));
  }

  /** The index of the item whose turn it is. */
  next(): number {
    const first = this.heap[0] as number;
    this.dueAt[first] = (this.dueAt[first] as number) + (this.periods[first] as number);
    this.sink(first);
    return first;
  }

  /** Moves `item`, which is at the top, down to its place. */
  private sink(item: number): void {
    const { heap, dueAt } = this;
    const due = dueAt[item] as number;
    let place = 0;
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
