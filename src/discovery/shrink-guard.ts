/**
 * What if a registry suddenly names far fewer endpoints? Then it has more likely lost sight of them than they have gone
 * together: a partition, a server that came back empty, a health checker that failed. What vanished is held for a while
 * (Eureka's self-preservation; Finagle keeps endpoints while discovery is not healthy).
 *
 * Not held is what was announced (an endpoint that drained before it went), and what half of the set survives. That
 * half of the set is back ends no hold: the rest may be on its way, and may be all of a subset.
 */

/** A smaller set is held only when nothing is left of it: two of three may well be stopped at once. */
export const minGuarded = 4;

/**
 * Whether endpoints that vanished unannounced are to be believed gone.
 *
 * @param before how many were serving.
 * @param left how many are serving now, and those that have begun to drain in the same change.
 */
export function isBelievable(before: number, left: number): boolean {
  if (left === 0) return before === 0;
  return before < minGuarded || left * 2 >= before;
}
