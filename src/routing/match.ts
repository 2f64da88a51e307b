/**
 * Does a rule apply to a request? The criteria of one match all have to hold (AND); of a rule's matches one has to
 * (OR); the first rule that applies wins, as in Istio's VirtualService.
 */
import type { HeaderList } from '../core/call.ts';

/** A criterion on a text. Case matters. */
export interface TextMatch {
  readonly kind: 'exact' | 'prefix';
  readonly text: string;
}

/** A criterion on a header. */
export interface HeaderMatch {
  /** Lower case. */
  readonly name: string;
  /** Has to hold for one of the values when the header was sent several times. */
  readonly value: TextMatch;
}

/** What a request has to be like. What is undefined, or empty, does not matter. */
export interface RouteMatch {
  /**
   * On the path without its query: `exact` `/reviews` applies to `/reviews?page=2`, and `prefix` `/rev` to both.
   * A prefix is one of characters, not of path segments (Envoy).
   */
  readonly path: TextMatch | undefined;
  /** On the method as sent; methods are upper case. */
  readonly method: TextMatch | undefined;
  readonly headers: readonly HeaderMatch[];
}

/**
 * Whether a request satisfies `match`.
 *
 * @param path with its query, as sent.
 */
export function matches(match: RouteMatch, method: string, path: string, headers: HeaderList): boolean {
  if (match.path !== undefined && !pathMatches(match.path, path)) return false;
  if (match.method !== undefined && !textMatches(match.method, method)) return false;
  for (const header of match.headers) {
    if (!headerMatches(header, headers)) return false;
  }
  return true;
}

const questionMark = '?'.charCodeAt(0);

/** Looks for the end of the path instead of cutting the query off: no string is made. */
function pathMatches(match: TextMatch, path: string): boolean {
  if (!path.startsWith(match.text)) return false;
  if (match.kind === 'prefix' || path.length === match.text.length) return true;
  return path.charCodeAt(match.text.length) === questionMark;
}

function textMatches(match: TextMatch, text: string): boolean {
  return match.kind === 'exact' ? text === match.text : text.startsWith(match.text);
}

function headerMatches(match: HeaderMatch, headers: HeaderList): boolean {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index] === match.name && textMatches(match.value, headers[index + 1] as string)) return true;
  }
  return false;
}
