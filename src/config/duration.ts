/**
 * How are durations written? In documents as in Istio, a number with a unit (`250ms`, `1.5s`); in code as numbers of ms.
 */

const pattern = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h)$/;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** The longest duration, in ms: 24 days, the longest that a timer of Node can hold (2^31-1 ms), rounded down. */
export const maxDurationMs = 24 * 24 * unitMs.h;

/** What {@link parseDuration} accepts, for error messages. */
export const durationForms = 'a duration above 0 such as 250ms, 1.5s, 1m or 1h (at most 576h)';

/**
 * Reads a duration.
 *
 * @returns ms, above 0 and up to {@link maxDurationMs}; `undefined` for anything else.
 */
export function parseDuration(text: string): number | undefined {
  const parts = pattern.exec(text);
  if (parts === null) return undefined;
  const ms = Number(parts[1]) * unitMs[parts[2] as keyof typeof unitMs];
  return ms > 0 && ms <= maxDurationMs ? ms : undefined;
}

/** As {@link parseDuration}, and 0 for a zero with a unit. */
export function parseDurationOrZero(text: string): number | undefined {
  return pattern.test(text) && Number.parseFloat(text) === 0 ? 0 : parseDuration(text);
}
