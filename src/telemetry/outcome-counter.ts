/**
 * How are calls counted by what became of them? In a fixed table: one row for each outcome, one column for each class of
 * status. Its size does not depend on traffic, so no peer can blow it up.
 */
import { type Cause, causes, type Outcome } from '../core/outcome.ts';

const successRow = 0;
const ignoredRow = 1;
const firstCauseRow = 2;
const rowOfCause = Object.fromEntries(causes.map((cause, index) => [cause, firstCauseRow + index])) as Record<
  Cause,
  number
>;

/** By the first digit; 0 is a call without a head. */
const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;
const columns = statusClasses.length;

/** The labels of one count. `cause` is there for failures only. */
export interface OutcomeLabels {
  readonly outcome: Outcome['kind'];
  readonly status: (typeof statusClasses)[number];
  readonly cause?: Cause;
}

const labelsOfCell: readonly OutcomeLabels[] = Array.from(
  { length: (firstCauseRow + causes.length) * columns },
  (_, cell) => {
    const row = Math.floor(cell / columns);
    const status = statusClasses[cell % columns]!;
    if (row === successRow) return Object.freeze({ outcome: 'success', status });
    if (row === ignoredRow) return Object.freeze({ outcome: 'ignored', status });
    return Object.freeze({ outcome: 'failure', status, cause: causes[row - firstCauseRow]! });
  },
);

/** Counts outcomes. */
export class OutcomeCounter {
  private readonly cells = new Float64Array(labelsOfCell.length);

  /** @param status of the head; `undefined` when there was none. */
  add(outcome: Outcome, status: number | undefined): void {
    const digit = status === undefined ? 0 : Math.trunc(status / 100);
    const column = digit < columns ? digit : 0;
    const row =
      outcome.kind === 'success'
        ? successRow
        : outcome.kind === 'ignored'
          ? ignoredRow
          : rowOfCause[outcome.cause ?? 'other'];
    this.cells[row * columns + column]! += 1;
  }

  get total(): number {
    let total = 0;
    for (const cell of this.cells) total += cell;
    return total;
  }

  /** Calls back for every combination that has occurred. */
  forEach(visit: (labels: OutcomeLabels, value: number) => void): void {
    for (let cell = 0; cell < this.cells.length; cell++) {
      const value = this.cells[cell]!;
      if (value > 0) visit(labelsOfCell[cell]!, value);
    }
  }
}
