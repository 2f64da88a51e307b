/**
 * Who is slow, and not only unlucky? A member whose lower quartile is above a multiple of the others' median: three of
 * four of its attempts are slower than that. Nobody else ejects by latency (envoy#288, open since 2016), for good reasons,
 * and each has its answer here:
 *
 * - A mean is thrown by one slow route, and a tail by jitter. A quartile is neither: for log-normal latencies with a p99 of
 *   30 medians, three of the last four of 20 attempts are above three medians once in 10^5 looks at other attempts.
 * - A member that has stalled answers nothing that could be measured. An attempt that has waited for longer than what is
 *   slow counts with its age, which it takes at least; a younger one says nothing yet. The attempts are taken by when they
 *   *began*: else the few of a slow route, which wait long, would outnumber the many that are answered at once.
 * - Everything may be slow. Then the others' median is, too.
 * - Slowness may be load, and to eject who carries the most makes the others slow. A member whose attempts came faster than
 *   the others' is left to the balancer.
 */

import type { LatencySample } from './latency-window.ts';
import type { LatencyOutlierOptions } from './outlier-options.ts';

/** What is known of the latencies of one member. */
export interface Latencies {
  /** Members are compared within a group: others may have other work, or a longer way. */
  readonly group: string;
  /** Of attempts that have ended. */
  readonly ended: readonly LatencySample[];
  /** When attempts began that have no head yet: those from `startedBy` or before, the latest first. */
  readonly waiting: (startedBy: number) => readonly number[];
}

/** Fewer members in all cannot tell who is the odd one. */
const minMembers = 3;

/** An attempts' pace above this many times that of the others is load, not chance: 20 attempts vary by a fifth. */
const loadFactor = 1.5;

interface Judged<T> {
  readonly member: T;
  readonly quartileMs: number;
  readonly medianMs: number;
  /** The time in which its attempts were begun. */
  readonly spanMs: number;
}

/** The outliers at the instant `now`, the one first that is farthest beyond its limit. */
export function latencyOutliers<T extends Latencies>(
  members: readonly T[],
  options: LatencyOutlierOptions,
  now: number,
): T[] {
  const { factor, minimumMs, requestVolume } = options;
  const found: { readonly member: T; readonly excess: number }[] = [];
  for (const group of Map.groupBy(members, (member) => member.group).values()) {
    if (group.length < minMembers) continue;
    const slowMs = Math.max(minimumMs, factor * medianOfEnded(group));
    const judged = group.flatMap((member) => judge(member, requestVolume, now, slowMs));
    if (judged.length < minMembers) continue;
    const medians = sorted(judged.map(({ medianMs }) => medianMs));
    const spans = sorted(judged.map(({ spanMs }) => spanMs));
    for (const { member, quartileMs, medianMs, spanMs } of judged) {
      const limitMs = Math.max(minimumMs, factor * medianWithout(medians, medianMs));
      const isLoaded = spanMs * loadFactor < medianWithout(spans, spanMs);
      if (quartileMs >= limitMs && !isLoaded) found.push({ member, excess: quartileMs / limitMs });
    }
  }
  return found.sort((a, b) => b.excess - a.excess).map(({ member }) => member);
}

/** Of what members took usually, in ms; 0 when nothing has ended. */
function medianOfEnded(members: readonly Latencies[]): number {
  const medians = members.flatMap(({ ended }) =>
    ended.length === 0 ? [] : [median(ended.map(({ latencyMs }) => latencyMs))],
  );
  return medians.length === 0 ? 0 : median(medians);
}

function judge<T extends Latencies>(member: T, requestVolume: number, now: number, slowMs: number): Judged<T>[] {
  const waiting = member.waiting(now - slowMs).map((startedAt) => ({ startedAt, latencyMs: now - startedAt }));
  if (member.ended.length + waiting.length < requestVolume) return [];
  const known = [...member.ended, ...waiting].sort((a, b) => b.startedAt - a.startedAt);
  const last = known.slice(0, requestVolume);
  const latencies = sorted(last.map(({ latencyMs }) => latencyMs));
  const spanMs = (last[0] as LatencySample).startedAt - (last.at(-1) as LatencySample).startedAt;
  return [{ member, quartileMs: at(latencies, latencies.length / 4), medianMs: median(latencies), spanMs }];
}

/** The median of `values`, which are sorted, but for one that is `own`; of two in the middle the greater. */
function medianWithout(values: readonly number[], own: number): number {
  const middle = at(values, (values.length - 1) / 2);
  return own <= middle ? at(values, (values.length + 1) / 2) : middle;
}

function median(values: number[]): number {
  return at(sorted(values), values.length / 2);
}

function at(values: readonly number[], place: number): number {
  return values[Math.floor(place)] as number;
}

function sorted(values: number[]): number[] {
  return values.sort((a, b) => a - b);
}
