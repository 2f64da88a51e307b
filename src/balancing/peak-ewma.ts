/**
 * Which member answers soonest? An average of past latencies knows too late that a member became slow, so this one
 * jumps to every peak and forgets it slowly (Finagle, `loadbalancer/PeakEwma.scala`; Linkerd's default). Two gaps of the
 * original are closed:
 *
 * - It learns only from answers, so a member that stalls stays attractive until it answers. Here the age of the oldest
 *   attempt without a head counts as a latency.
 * - It believes that a fast failure is a fast answer, so a broken member attracts all traffic (linkerd2#11669).
 *   Linkerd's remedy, a failure recorded as a latency of 5 s, turns one failure in a thousand into half a minute of
 *   exile, and hides the latencies of members that fail now and then. Here the share f of failures among the last
 *   attempts is kept beside the latency, and what they cost is the time until an attempt succeeds: f/(1-f) failures come
 *   before each success. One failure is made good by a few successes; a member that only fails soon costs more than any
 *   load on the others; and as f decays with time like the latency, the member is tried again: next to members of 100 ms
 *   after some 25 s.
 */
import type { LoadMetric, Member } from '../core/member.ts';

/** After this long a past latency counts 1/e, in ms. Finagle's and Linkerd's default. */
const decayMs = 10_000;

/** What a member is taken for while its first attempt is under way, in ms. Linkerd's `default_rtt`. */
const initialLatencyMs = 30;

/** What a failure costs in place of an answer, in ms: another attempt, its backoff, and a part of the retry budget. */
const failureMs = 1_000;

/** How much of the failure share an attempt leaves at most: the last ten or so decide, at any rate of requests. */
const keptPerAttempt = 0.9;

/** Keeps f/(1-f) finite. */
const maxFailureShare = 0.999;

/** Latencies below are alike, in ms. Keeps idle members, whose averages decay to 0, from being told apart by noise. */
const leastLatencyMs = 1;

/** Latency, failures and requests in flight as one cost. */
export class PeakEwma implements LoadMetric {
  private latencyMs = 0;
  private failureShare = 0;
  /** When the two were true; before the first observation long ago, so that it counts alone. */
  private observedAt = Number.NEGATIVE_INFINITY;

  observe(latencyMs: number, now: number, failed: boolean): void {
    const kept = this.keptAt(now);
    const decayed = this.latencyMs * kept;
    // A failure may prove a member slow, never fast.
    if (latencyMs > decayed) this.latencyMs = latencyMs;
    else this.latencyMs = failed ? decayed : decayed + latencyMs * (1 - kept);
    const keptShare = Math.min(kept, keptPerAttempt);
    this.failureShare = this.failureShare * keptShare + (failed ? 1 - keptShare : 0);
    this.observedAt = Math.max(now, this.observedAt);
  }

  cost(member: Member, now: number): number {
    const expectedMs = this.expectedMs(member, now);
    return this.observedAt === Number.NEGATIVE_INFINITY ? expectedMs : expectedMs * (member.inFlight + 1);
  }

  /** How long an attempt takes until it succeeds, whatever else is in flight, in ms. */
  expectedMs(member: Member, now: number): number {
    // An unmeasured member is tried at once, but by one attempt at a time while others are cheap.
    if (this.observedAt === Number.NEGATIVE_INFINITY) {
      return member.inFlight === 0 ? 0 : Math.max(initialLatencyMs, waiting(member, now)) * (member.inFlight + 1);
    }
    const kept = this.keptAt(now);
    const latencyMs = Math.max(this.latencyMs * kept, waiting(member, now), leastLatencyMs);
    const failureShare = Math.min(this.failureShare * kept, maxFailureShare);
    return latencyMs + (failureMs * failureShare) / (1 - failureShare);
  }

  /** How much of the past counts at `now`: 1 down to 0. */
  private keptAt(now: number): number {
    return now > this.observedAt ? Math.exp((this.observedAt - now) / decayMs) : 1;
  }
}

/** How long the oldest attempt without a head has waited, in ms; 0 or less when there is none. */
function waiting(member: Member, now: number): number {
  return now - member.oldestWaiting;
}
