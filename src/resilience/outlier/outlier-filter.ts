import type { Attempt } from '../../core/attempt.ts';
import type { Clock } from '../../core/clock.ts';
import type { Filter } from '../../core/filter.ts';
import type { Member } from '../../core/member.ts';
import { outcomeOfError } from '../../core/outcome.ts';
import type { Reply } from '../../core/reply.ts';
import { tapFilter } from '../../core/tap.ts';
import type { OutlierDetector, OutlierRecord } from './outlier-detection.ts';

/** What the filter needs; the detector belongs to the service. */
export interface OutlierFilterOptions {
  readonly clock: Clock;
  readonly detector: OutlierDetector;
  /** What the detector gave for a member; `undefined` for one that left. */
  readonly recordOf: (member: Member) => OutlierRecord | undefined;
}

/**
 * Tells the detector of each attempt. Belongs above the timeout of attempts, so that it sees timeouts.
 *
 * A failure counts at the head. A success counts only when the body has ended: a member whose bodies all break off would
 * otherwise be cleared by every head. If nobody waited for the body, the good head stands.
 */
export function outlierFilter({ clock, detector, recordOf }: OutlierFilterOptions): Filter<Attempt, Reply> {
  const { watchesLatency } = detector;
  const timed = ({ startedAt }: Attempt, record: OutlierRecord, answered: boolean) =>
    detector.onLatency(record, startedAt, clock.now() - startedAt, answered);
  return tapFilter<Attempt, Reply, OutlierRecord | undefined>({
    role: 'outlier',
    before: (attempt) => recordOf(attempt.member),
    succeeded: (attempt, record, reply) => {
      if (record === undefined) return;
      const { outcome, status } = reply;
      if (watchesLatency) timed(attempt, record, outcome.kind === 'success');
      if (outcome.kind !== 'success' || reply.body.complete) {
        detector.onResult(record, outcome, status, clock.now());
        return;
      }
      reply.onEnd((final) => {
        const failed = final.kind === 'failure';
        detector.onResult(record, failed ? final : outcome, failed ? undefined : status, clock.now());
      });
    },
    failed: (attempt, record, error) => {
      if (record === undefined) return;
      if (watchesLatency) timed(attempt, record, false);
      detector.onResult(record, outcomeOfError(error), undefined, clock.now());
    },
  });
}
