/**
 * Where does the mesh get its randomness from? From here only: a simulation passes a seed and replays to the letter.
 */

/** A source of random numbers. */
export interface Random {
  /** A number in [0, 1), uniformly distributed. */
  next(): number;
}

const platformRandom = Math.random;

/** The randomness of the process; not for secrets. */
export const systemRandom: Random = { next: () => platformRandom() };

/**
 * A generator that gives the same numbers for the same seed (mulberry32: 32 bits of state, passes gjrand;
 * its period of 2^32 is enough for a simulation).
 *
 * @param seed any integer; only its lower 32 bits count.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}
