/**
 * How does a text become a number that is as good as random, yet the same in every process? MurmurHash3 (Appleby, 2011;
 * `MurmurHash3_x86_32`) over the bytes of the text in UTF-8. It is fast for short keys and spreads well; it is no
 * cryptographic hash: who chooses keys can choose where they go.
 */

/** The hash of `text`, an integer from 0 to 2^32-1. */
export function stringHash(text: string, seed: number): number {
  // The units of a text in ASCII are its bytes, so that nothing need be encoded.
  const hash = hashUnits(text, seed, 0x7f);
  return hash >= 0 ? hash : hashUnits(Buffer.from(text, 'utf8').toString('latin1'), seed, 0xff);
}

/** The finalizer of MurmurHash3: each bit of `value` moves half of the bits of the result, and no two share one. */
export function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** -1 when a unit of `text` is above `most`. */
function hashUnits(text: string, seed: number, most: number): number {
  const { length } = text;
  const whole = length & ~3;
  let hash = seed;
  let seen = 0;
  for (let index = 0; index < whole; index += 4) {
    const a = text.charCodeAt(index);
    const b = text.charCodeAt(index + 1);
    const c = text.charCodeAt(index + 2);
    const d = text.charCodeAt(index + 3);
    seen |= a | b | c | d;
    hash ^= scrambled(a | (b << 8) | (c << 16) | (d << 24));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let index = length - 1; index >= whole; index--) {
    const unit = text.charCodeAt(index);
    seen |= unit;
    rest = (rest << 8) | unit;
  }
  if (whole < length) hash ^= scrambled(rest);
  return seen > most ? -1 : mixed(hash ^ length);
}

function scrambled(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}
