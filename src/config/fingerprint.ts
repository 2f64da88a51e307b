/**
 * Has a part of the configuration changed? Not when its fingerprint is the same: what is built for it can be kept.
 */

/** A text that is equal for equal data, whatever the order of fields. A missing and an undefined field are equal. */
export function fingerprint(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (item instanceof Map) return sorted([...item]);
    if (typeof item === 'object' && item !== null && !Array.isArray(item)) {
      return Object.fromEntries(sorted(Object.entries(item)));
    }
    return item;
  });
}

function sorted<T>(entries: [string, T][]): [string, T][] {
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}
