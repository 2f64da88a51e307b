/**
 * Why not `new URL()` for a SPIFFE ID? It normalises: it drops default ports, resolves `..`, decodes and lower-cases, so
 * that different names become equal. An identity is compared byte by byte, after this strict parse (SPIFFE-ID, 2).
 */

/** A parsed SPIFFE ID. */
export interface SpiffeId {
  /** As written; two IDs are the same when these are. */
  readonly text: string;
  /** Such as `cluster.local`. */
  readonly trustDomain: string;
  /** With its leading `/`; empty for the ID of the trust domain itself, which no workload may bear. */
  readonly path: string;
}

/** SPIFFE-ID, 2.3. All characters are ASCII, so characters are bytes. */
const maxIdBytes = 2048;
/** SPIFFE-ID, 2.1. */
const maxTrustDomainBytes = 255;

/** No port, user, query, fragment, percent or empty segment gets through these sets. */
const grammar = /^spiffe:\/\/([a-z0-9._-]+)((?:\/[A-Za-z0-9._-]+)*)$/;

/** Reads a SPIFFE ID, or returns `undefined` when the text is none. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > maxIdBytes) return undefined;
  const match = grammar.exec(text);
  if (match === null) return undefined;
  const trustDomain = match[1]!;
  const path = match[2]!;
  if (trustDomain.length > maxTrustDomainBytes) return undefined;
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) return undefined;
  return { text, trustDomain, path };
}
