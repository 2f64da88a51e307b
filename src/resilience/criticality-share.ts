import type { Criticality } from '../core/criticality.ts';

/**
 * How much of a limit may be in use before a call of each criticality is refused: the lower ones find it full while there
 * is room for the higher ones, and so are refused first. `critical`, which calls have by default, has the limit itself,
 * `critical-plus` a reserve beyond it. A limit with nobody in it lets anybody in.
 */
export const criticalityShare: Readonly<Record<Criticality, number>> = Object.freeze({
  sheddable: 0.5,
  'sheddable-plus': 0.75,
  critical: 1,
  'critical-plus': 1.25,
});
