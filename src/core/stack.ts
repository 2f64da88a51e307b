/**
 * How do filters become one function? Once, when configuration arrives, never per call (Finagle's Stack). A feature
 * that is off is not in the stack, so it costs nothing.
 */
import type { Filter, Next, Tap } from './filter.ts';
import type { Operation } from './operation.ts';
import { fuseTaps } from './tap.ts';

/** Filters in order, outermost first, over a leaf. */
export interface Stack<O extends Operation, R> {
  /** The roles, outermost first, for operators. */
  readonly roles: readonly string[];
  readonly run: Next<O, R>;
}

/**
 * Composes a stack.
 *
 * @param filters outermost first; a falsy entry is a feature that is off. Neighbours that only watch are fused.
 */
export function composeStack<O extends Operation, R>(
  filters: readonly (Filter<O, R> | false | undefined)[],
  leaf: Next<O, R>,
): Stack<O, R> {
  const present = filters.filter((filter) => filter !== undefined && filter !== false);
  let run = leaf;
  for (let index = present.length - 1; index >= 0; ) {
    const group: Tap<O, R>[] = [];
    for (let tap = present[index]?.tap; tap !== undefined; tap = present[--index]?.tap) group.unshift(tap);
    run = group.length > 0 ? fuseTaps(group, run) : underFilter(present[index--] as Filter<O, R>, run);
  }
  return { roles: present.map((filter) => filter.role), run };
}

function underFilter<O extends Operation, R>({ apply }: Filter<O, R>, next: Next<O, R>): Next<O, R> {
  return (operation) => apply(operation, next);
}
