/**
 * What does a probe of a member say? How much is in flight there, and how long an attempt takes. A member that reports its
 * requests in flight is known with those of its other clients; of the others only our own are. Latency is always as seen
 * from here: that has the network in it, and what fails (see {@link PeakEwma}).
 */
import type { LoadReport } from '../core/load-report.ts';
import type { Member } from '../core/member.ts';
import { PeakEwma } from './peak-ewma.ts';

/** What is known of a member without asking it. */
export class PrequalLoad extends PeakEwma {
  private others = 0;
  private reportedAt = Number.NEGATIVE_INFINITY;

  report(member: Member, { inFlight }: LoadReport, now: number): void {
    if (inFlight === undefined) return;
    this.others = Math.max(0, inFlight - member.inFlight);
    this.reportedAt = now;
  }

  /** What other clients had in flight at the last report; 0 when that is older than `maxAgeMs`. */
  othersAt(now: number, maxAgeMs: number): number {
    return now - this.reportedAt <= maxAgeMs ? this.others : 0;
  }
}
