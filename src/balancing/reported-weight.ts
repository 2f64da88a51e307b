/**
 * How much of the requests can a member take? As many as it takes for each unit of its utilization, by its own reports:
 * requests a second / (utilization + share of failures × penalty) (gRPC A58, `client_side_weighted_round_robin`).
 */
import type { LoadReport } from '../core/load-report.ts';
import type { LoadMetric, Member } from '../core/member.ts';
import type { WeightedRoundRobinOptions } from './weighted-round-robin-options.ts';

/** What a member last reported. */
export class ReportedWeight implements LoadMetric {
  private last: LoadReport | undefined = undefined;
  private reportedAt = Number.NEGATIVE_INFINITY;
  /** When reports began, or began again after they had expired. */
  private reportsSince = Number.POSITIVE_INFINITY;

  observe(): void {
    // What the member says counts, not what it looks like from here.
  }

  cost(member: Member): number {
    return member.inFlight;
  }

  report(_member: Member, report: LoadReport, now: number): void {
    // One without load, or before the first measurement, says nothing about what the member can take.
    if (report.requestsPerSecond === 0 || report.utilization === 0) return;
    if (this.last === undefined) this.reportsSince = now;
    this.last = report;
    this.reportedAt = now;
  }

  /** The weight at the instant `now`, above 0; 0 when it is not known. */
  weightAt(now: number, { blackoutMs, expiryMs, errorPenalty }: WeightedRoundRobinOptions): number {
    if (this.last === undefined) return 0;
    if (now - this.reportedAt >= expiryMs) {
      this.last = undefined;
      return 0;
    }
    if (now - this.reportsSince < blackoutMs) return 0;
    const { requestsPerSecond, errorsPerSecond, utilization } = this.last;
    const weight = requestsPerSecond / (utilization + (errorsPerSecond / requestsPerSecond) * errorPenalty);
    // A report that makes no sense says nothing.
    return Number.isFinite(weight) && weight > 0 ? weight : 0;
  }
}
