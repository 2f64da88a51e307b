/**
 * How is a URL taken apart? `new URL` costs as much as ten filters; a string that is written plainly (no escapes to
 * make, no dot segments, no user info) is cut at its slash instead, and everything else takes the long way.
 */
import { MeshError } from '../core/errors.ts';

/** Where a request goes. */
export interface Target {
  readonly secure: boolean;
  /** Host and port in lower case, without the default port of the scheme. */
  readonly authority: string;
  /** Path with query. */
  readonly path: string;
}

/** `http://`, a lower-case authority, and a path with query that `new URL` would leave as it is (it drops an empty query). */
const plain =
  /^http:\/\/[a-z0-9-]+(?:\.[a-z0-9-]+)*\/[A-Za-z0-9_~!$&()*+,;=:@/-]*(?:\?[A-Za-z0-9_~!$&()*+,;=:@?/-]+)?$/;
const scheme = 'http://';

/** Punycode has to be decoded, and a last label that is a number may be an IPv4 address in one of its odd forms. */
const special = /(?:^|\.)(?:xn--|(?:\d+|0x[0-9a-f]*)$)/;

/**
 * Takes a URL apart; `undefined` when its scheme is neither http nor https.
 *
 * @throws MeshError `INMESH_REQUEST` when it is none, or carries credentials.
 */
export function parseTarget(url: string | URL): Target | undefined {
  if (typeof url === 'string') {
    if (plain.test(url)) {
      const end = url.indexOf('/', scheme.length);
      const authority = url.slice(scheme.length, end);
      if (!special.test(authority)) return { secure: false, authority, path: url.slice(end) };
    }
  }
  let parsed: URL;
  try {
    parsed = typeof url === 'string' ? new URL(url) : url;
  } catch (cause) {
    throw new MeshError('INMESH_REQUEST', `${String(url)} is not a URL`, { cause });
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') return undefined;
  if (parsed.username !== '' || parsed.password !== '') {
    throw new MeshError('INMESH_REQUEST', 'the URL includes credentials; send them in a header');
  }
  return { secure: parsed.protocol === 'https:', authority: parsed.host, path: parsed.pathname + parsed.search };
}

/** `path` with `query` appended, as the `query` option of undici. */
export function pathWithQuery(path: string, query: Readonly<Record<string, unknown>>): string {
  if (path.includes('?') || path.includes('#')) {
    throw new MeshError('INMESH_REQUEST', 'the query option and a query in the path exclude each other');
  }
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}
