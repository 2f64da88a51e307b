/** Which part of a call is the key: calls of one key go to one member. */
export type HashSource =
  /** The first value of a header, by its name in lower case. */
  | { readonly header: string }
  /** A cookie of the request. */
  | { readonly cookie: string }
  /** The first value of a parameter of the query, as it is written in the URL. */
  | { readonly queryParameter: string }
  /** The path without its query. */
  | 'path';

/** How the balancers `RING_HASH` and `MAGLEV` hash. The others leave it alone. */
export interface HashOptions {
  /** Undefined: only what calls say by `hashKey`. Default undefined. */
  readonly source: HashSource | undefined;
  /** Of `RING_HASH`: points of the ring, at least. 1–1,048,576, default 1,024 (Envoy). */
  readonly minimumRingSize: number;
  /** Of `MAGLEV`: entries of the table, a prime. 2–655,373, default 65,537 (both of the Maglev paper). */
  readonly tableSize: number;
  /**
   * A member has no more calls in flight than this share of its part of all, in percent; what is beyond goes on to the
   * next. From 100 (typical: 120–200) on; undefined for no bound. Default undefined (Envoy, `hash_balance_factor`).
   */
  readonly balanceFactorPercent: number | undefined;
}

/** Beyond it, a ring takes a few dozen ms to make. */
export const maxRingSize = 1_048_576;

/** The large table of the Maglev paper. */
export const maxTableSize = 655_373;

export const hashDefaults: HashOptions = Object.freeze({
  source: undefined,
  minimumRingSize: 1_024,
  tableSize: 65_537,
  balanceFactorPercent: undefined,
});
