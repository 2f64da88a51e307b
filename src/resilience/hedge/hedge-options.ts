/** How much a service may be asked twice, to be answered sooner. */
export interface HedgeOptions {
  /**
   * The most that hedges may add to the calls of a second, in percent, 0.1–50. It is the one knob: a hedge is sent when an
   * attempt has taken longer than all but this share of the attempts of the last half minute. Default 1.
   */
  readonly maxExtraLoadPercent: number;
}

export const hedgeDefaults: HedgeOptions = Object.freeze({ maxExtraLoadPercent: 1 });
