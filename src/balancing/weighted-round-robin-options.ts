/** How the balancer `WEIGHTED_ROUND_ROBIN` weighs. The others leave it alone. All defaults are those of gRPC A58. */
export interface WeightedRoundRobinOptions {
  /** How long the reports of a member are gathered before they count, in ms; 0 for at once. Default 10,000. */
  readonly blackoutMs: number;
  /** A weight counts no more once this long no report has come, in ms. Default 180,000. */
  readonly expiryMs: number;
  /** How often the weights are looked at, in ms. Default 1,000. */
  readonly updateMs: number;
  /** How much a share of failures of 1 adds to the utilization. From 0 on, default 1. */
  readonly errorPenalty: number;
}

export const weightedRoundRobinDefaults: WeightedRoundRobinOptions = Object.freeze({
  blackoutMs: 10_000,
  expiryMs: 180_000,
  updateMs: 1_000,
  errorPenalty: 1,
});
