/**
 * How does a load balancer hear what a server says of its load? From the replies, by this tap. It is in the stack only
 * where the load balancer reads reports.
 */
import type { Attempt } from '../core/attempt.ts';
import type { Clock } from '../core/clock.ts';
import type { Filter } from '../core/filter.ts';
import type { Member } from '../core/member.ts';
import { headerOf } from '../core/parsed-headers.ts';
import type { Reply } from '../core/reply.ts';
import { tapFilter } from '../core/tap.ts';
import { loadReportHeader, parseLoadReport } from '../http/load-report.ts';
import { parsedTrailers } from '../http/trailers.ts';
import type { Cluster } from './cluster.ts';

/** Hands reports to {@link Member.load}, then tells the views of the service. */
export function loadReportFilter(clock: Clock, views: () => readonly Cluster[]): Filter<Attempt, Reply> {
  const take = (member: Member, text: string) => {
    const report = parseLoadReport(text);
    if (report === undefined) return;
    const now = clock.now();
    member.load.report?.(member, report, now);
    for (const view of views()) view.memberReported(member, now);
  };
  return tapFilter<Attempt, Reply, undefined>({
    role: 'load-report',
    before: () => undefined,
    succeeded: ({ member }, _state, reply) => {
      const text = headerOf(reply.headers, loadReportHeader);
      if (text !== undefined) take(member, text);
      else reply.onEnd(() => takeTrailer(member, reply.body.rawTrailers));
    },
    failed() {},
  });

  function takeTrailer(member: Member, rawTrailers: readonly Buffer[]): void {
    if (rawTrailers.length === 0) return;
    const text = parsedTrailers(rawTrailers)[loadReportHeader];
    if (text !== undefined) take(member, text);
  }
}
