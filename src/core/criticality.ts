/**
 * Which call is refused first when not all can be served? The one that matters least. The four levels are those of
 * Google (Site Reliability Engineering, chapter 21, "Handling Overload"); the lowest comes first here.
 */

/**
 * The levels, lowest first. `sheddable`: frequent partial unavailability is expected. `sheddable-plus`: partial
 * unavailability is expected; for batches that come back later. `critical`: users see it when it fails. `critical-plus`:
 * users see it, and it is serious.
 */
export const criticalities = ['sheddable', 'sheddable-plus', 'critical', 'critical-plus'] as const;

/** One of {@link criticalities}. */
export type Criticality = (typeof criticalities)[number];

/** Of a call that nobody says anything about. It is not sent: a request without the header has it too. */
export const defaultCriticality: Criticality = 'critical';

/** The place of each among {@link criticalities}; higher matters more. */
export const criticalityRank: Readonly<Record<Criticality, number>> = Object.freeze({
  sheddable: 0,
  'sheddable-plus': 1,
  critical: 2,
  'critical-plus': 3,
});

/**
 * The header that carries it from service to service. No name is a standard; this one is in use with the same four
 * levels. `priority` (RFC 9218) is about the order of replies, and browsers send it.
 */
export const criticalityHeader = 'x-request-criticality';

/**
 * What a header says, in our spelling (`critical-plus`) or in Google's (`CRITICAL_PLUS`); `undefined` for anything else,
 * so that an unknown value raises nothing.
 */
export function parseCriticality(header: string | string[] | undefined): Criticality | undefined {
  if (typeof header !== 'string') return undefined;
  const name = header.toLowerCase().replace('_', '-');
  return Object.hasOwn(criticalityRank, name) ? (name as Criticality) : undefined;
}
