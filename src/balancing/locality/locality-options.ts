/** Where the calls of a service go, by where we are and where its endpoints are. */
export interface LocalityOptions {
  /** Shares of the calls by locality, for callers at `from`: the first that fits. Empty for {@link failover}. */
  readonly distribute: readonly Distribution[];
  /** The region that takes over when one fails, in place of all others. */
  readonly failover: ReadonlyMap<string, string>;
  /** Keeps calls in their zone as far as that loads all endpoints alike; undefined for off. */
  readonly zoneAware: ZoneAwareOptions | undefined;
  /**
   * How much more than their share the healthy endpoints of a priority can bear, in percent: with 140 (default, Envoy) calls
   * spill over to the next one below 72% healthy ones. 100–1,000.
   */
  readonly overprovisioningPercent: number;
}

/** Shares of callers at one place. */
export interface Distribution {
  /** A locality, `region/zone/subzone`; the end may be left out, or `*`. */
  readonly from: string;
  /** Shares by locality, of the same form; their sum does not matter. */
  readonly to: ReadonlyMap<string, number>;
}

/** When calls stay in their zone. */
export interface ZoneAwareOptions {
  /** Below so many endpoints, zones are not looked at. Default 6 (Envoy, `min_cluster_size`). */
  readonly minEndpoints: number;
}

export const localityDefaults = Object.freeze({ overprovisioningPercent: 140, minEndpoints: 6 });
