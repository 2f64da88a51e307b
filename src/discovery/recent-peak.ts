/**
 * How many endpoints were there lately? A set that loses one endpoint after the other within seconds has lost as much as
 * one that loses them at once (leases and checks run out one by one), so what is left is compared with the most of the
 * last while, not with the moment before.
 */

/** More moments are not told apart; the oldest go first. */
const maxMoments = 1_000;

interface Moment {
  count: number;
  /** When the count became another. */
  until: number;
}

/** The most of a count within a window of time. */
export class RecentPeak {
  /** Later ones are smaller: a moment before a larger one does not matter. */
  private readonly moments: Moment[] = [];

  /** The count is this from the instant `now` on. */
  add(now: number, count: number): void {
    const { moments } = this;
    while (moments.length > 0 && (moments.at(-1) as Moment).count < count) moments.pop();
    const last = moments.at(-1);
    if (last?.count === count) {
      last.until = Number.POSITIVE_INFINITY;
      return;
    }
    if (last !== undefined) last.until = Math.min(last.until, now);
    moments.push({ count, until: Number.POSITIVE_INFINITY });
    if (moments.length > maxMoments) moments.shift();
  }

  /** So many of those that were counted went as they should, and are not missed. */
  excuse(count: number): void {
    for (const moment of this.moments) moment.count -= count;
  }

  /** The most since the instant `since`, what held then included. */
  since(since: number): number {
    const { moments } = this;
    while (moments.length > 1 && (moments[0] as Moment).until <= since) moments.shift();
    return moments[0]?.count ?? 0;
  }
}
