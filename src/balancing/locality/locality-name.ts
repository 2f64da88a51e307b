/**
 * What is a locality? `region/zone/subzone`, of which the end may be missing (Istio, Envoy).
 */

/** Whether `locality` lies in `pattern`: `eu/*`, `eu`, `eu/eu-1`, `*`. */
export function liesIn(locality: string, pattern: string): boolean {
  const parts = locality.split('/');
  return pattern.split('/').every((part, index) => part === '*' || part === parts[index]);
}

/** How many parts two localities have in common from the left: 3 for the same subzone, 0 for other regions. */
export function nearness(one: string, other: string): number {
  const [own, others] = [one.split('/'), other.split('/')];
  let common = 0;
  while (common < 3 && own[common] !== undefined && own[common] === others[common]) common++;
  // A place that is named less exactly is not told from the rest of it.
  return common === own.length ? 3 : common;
}

/** The first two parts. */
export function zoneOf(locality: string): string {
  return locality.split('/').slice(0, 2).join('/');
}

/** The first part. */
export function regionOf(locality: string): string {
  return locality.split('/', 1)[0] as string;
}
