/**
 * How many calls can a service take at once? Nobody knows, and it changes; but its latency tells when it is too many:
 * those that do not fit wait in the service. An adaptive limit is what TCP does with its window, for calls (Netflix,
 * concurrency-limits; Envoy's adaptive concurrency). This is what its algorithms have in common.
 */

import type { WindowSample } from './sample-window.ts';

/** The names of the algorithms in documents. */
export const adaptiveAlgorithms = ['VEGAS', 'GRADIENT2'] as const;

/** How the limit of a service adapts. */
export interface AdaptiveLimitOptions {
  /** `VEGAS` (default) compares with the latency without load, `GRADIENT2` with the latency of the last minutes. */
  readonly algorithm: (typeof adaptiveAlgorithms)[number];
  /** Calls at once at the start. Default 20. */
  readonly initialLimit: number;
  /** Never fewer. Default 4. */
  readonly minLimit: number;
  /** Never more; `critical-plus` calls have a reserve beyond it, see `criticality-share.ts`. Default 1,000. */
  readonly maxLimit: number;
  /** Whether calls beyond the limit are counted and let through. Default false. */
  readonly darkMode: boolean;
}

export const adaptiveLimitDefaults: AdaptiveLimitOptions = Object.freeze({
  algorithm: 'VEGAS',
  initialLimit: 20,
  minLimit: 4,
  maxLimit: 1_000,
  darkMode: false,
});

/** A limit that learns. */
export interface AdaptiveLimit {
  /** Calls that may be under way at once: a number ≥ 1, with a fraction. */
  readonly limit: number;
  /** Learns from a window of calls that are over. */
  sample(window: WindowSample): void;
}
