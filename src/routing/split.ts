/**
 * Which of several destinations gets a request? One at random, each as often as its weight says (Envoy's weighted
 * clusters). Calls are independent of each other: no counter is shared, so the shares hold for every kind of traffic.
 */
import assert from 'node:assert';
import type { Random } from '../core/random.ts';

/** A choice among values by weight. Immutable. */
export class Split<T> {
  private readonly values: readonly T[];
  /** The sum of the weights up to and including each value. */
  private readonly cumulative: readonly number[];
  private readonly total: number;

  /** @param parts at least one with a weight above 0; those of weight 0 are never chosen. */
  constructor(parts: readonly { readonly weight: number; readonly value: T }[]) {
    const chosen = parts.filter((part) => part.weight > 0);
    assert(chosen.length > 0, 'a split needs a weight above 0');
    let sum = 0;
    this.values = chosen.map((part) => part.value);
    this.cumulative = chosen.map((part) => {
      sum += part.weight;
      return sum;
    });
    this.total = sum;
  }

  /** One of the values. Draws no random number when there is one only. */
  choose(random: Random): T {
    const { values, cumulative } = this;
    const last = values.length - 1;
    if (last === 0) return values[0] as T;
    const point = random.next() * this.total;
    for (let index = 0; index < last; index++) {
      if (point < (cumulative[index] as number)) return values[index] as T;
    }
    return values[last] as T;
  }
}
