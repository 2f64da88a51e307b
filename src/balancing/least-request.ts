import type { LoadMetric, Member } from '../core/member.ts';

/**
 * Requests in flight in relation to the weight: Envoy's least request with an `active_request_bias` of 1.
 *
 * Envoy divides the weight by (in flight + 1) to schedule by it; here two members are compared, and a + 1 would let the
 * heavier of two idle ones win every time. Idle members cost 0 alike, so that the draw by weight decides.
 */
export class LeastRequest implements LoadMetric {
  observe(): void {
    // What is in flight says it all.
  }

  cost(member: Member): number {
    const { endpoint, warmth, inFlight } = member;
    return inFlight / (endpoint.weight > 0 ? endpoint.weight * warmth : warmth);
  }
}
