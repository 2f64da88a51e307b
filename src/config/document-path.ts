/**
 * How is a place in a document named? By the steps from its root: `services[0].endpoints[1].address`.
 */

/** Field names and list positions from the root of a document. */
export type DocumentPath = readonly (string | number)[];

/** A path for people; the root is `document`. */
export function formatPath(path: DocumentPath): string {
  if (path.length === 0) return 'document';
  let formatted = '';
  for (const step of path) {
    if (typeof step === 'number') formatted += `[${step}]`;
    else if (!/^[A-Za-z_$][\w$-]*$/.test(step)) formatted += `[${JSON.stringify(step)}]`;
    else formatted += formatted === '' ? step : `.${step}`;
  }
  return formatted;
}
