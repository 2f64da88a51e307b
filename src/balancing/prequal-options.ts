/** How the balancer `PREQUAL` probes. The others leave it alone. All defaults are those of the paper. */
export interface PrequalOptions {
  /** Probes that are kept. 2–64, default 16. */
  readonly poolSize: number;
  /** An older probe counts no more, in ms. Default 1,000. */
  readonly probeAgeMs: number;
  /**
   * A member is hot when more is in flight at it than at this share of the probed ones. 0–1, default 0.84; 0.6–0.9 does
   * well. The lower, the more what is in flight decides; with 1 latency does.
   */
  readonly hotQuantile: number;
}

export const prequalDefaults: PrequalOptions = Object.freeze({ poolSize: 16, probeAgeMs: 1_000, hotQuantile: 0.84 });

/** Each pick looks at all of them. */
export const maxPoolSize = 64;
