/**
 * How do filters become one function? Once, when configuration arrives, never per call (Finagle's Stack). A feature
 * that is off is not in the stack, so it costs nothing.
 */
import type { Filter, Next } from './filter.ts';
import type { Operation } from './operation.ts';

/** Filters in order, outermost first, over a leaf. */
export interface Stack<O extends Operation, R> {
  /** The roles, outermost first, for operators. */
  readonly roles: readonly string[];
  readonly run: Next<O, R>;
}

/**
 * Composes a stack.
 *
 * @param filters outermost first; a falsy entry is a feature that is off.
 */
export function composeStack<O extends Operation, R>(
  filters: readonly (Filter<O, R> | false | undefined)[],
  leaf: Next<O, R>,
): Stack<O, R> {
  const present = filters.filter((filter) => filter !== undefined && filter !== false);
  const run = present.reduceRight<Next<O, R>>(
    (next, { apply }) =>
      (operation) =>
        apply(operation, next),
    leaf,
  );
  return { roles: present.map((filter) => filter.role), run };
}
