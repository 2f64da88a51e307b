/**
 * In which form are the headers of a reply read? As undici parses them: lower-case names; several values as an array.
 */

/** The headers of a reply. */
export type ParsedHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** The first value of header `name` (lower case), or `undefined`. */
export function headerOf(headers: ParsedHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
