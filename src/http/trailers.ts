/**
 * In which form are trailers read? As undici gives them: lower-case names. Few replies have any, so they are parsed when
 * somebody asks.
 */

/** Alternating names and values, as a record. */
export function parsedTrailers(raw: readonly Buffer[]): Record<string, string> {
  const trailers: Record<string, string> = {};
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const value = (raw[index + 1] as Buffer).toString('latin1');
    // A peer may send any name; `__proto__` must stay one.
    Object.defineProperty(trailers, String(raw[index]).toLowerCase(), {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return trailers;
}
