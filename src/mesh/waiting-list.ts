/**
 * Since when does a member keep somebody waiting? Attempts start in the order of time, so the one that waits longest is
 * the head of a list that each leaves when it has its head: constant time for both, however many are in flight.
 */

/** An attempt without a head. */
export interface Waiting {
  readonly startedAt: number;
  previous: Waiting | undefined;
  next: Waiting | undefined;
  listed: boolean;
}

/** The attempts of one member that have no head yet, oldest first. */
export class WaitingList {
  private first: Waiting | undefined = undefined;
  private last: Waiting | undefined = undefined;

  /** When the oldest started; `Infinity` when none waits. */
  get oldest(): number {
    return this.first === undefined ? Number.POSITIVE_INFINITY : this.first.startedAt;
  }

  /** When those started that did so at `instant` or before: the latest first, at most `most` of them. */
  startedBy(instant: number, most: number): number[] {
    const starts: number[] = [];
    for (let entry = this.last; entry !== undefined && starts.length < most; entry = entry.previous) {
      if (entry.startedAt <= instant) starts.push(entry.startedAt);
    }
    return starts;
  }

  /** Appends an attempt that started at `startedAt`, not before any in the list. */
  add(startedAt: number): Waiting {
    const entry: Waiting = { startedAt, previous: this.last, next: undefined, listed: true };
    if (this.last === undefined) this.first = entry;
    else this.last.next = entry;
    this.last = entry;
    return entry;
  }

  /** Takes `entry` out; once it is out, does nothing. */
  remove(entry: Waiting): void {
    if (!entry.listed) return;
    entry.listed = false;
    if (entry.previous === undefined) this.first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.last = entry.previous;
    else entry.next.previous = entry.previous;
    // An entry that has got old would keep all that came after it alive until the next full collection.
    entry.previous = undefined;
    entry.next = undefined;
  }
}
