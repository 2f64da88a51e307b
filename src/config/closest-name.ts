/**
 * What did the user mean? The known name that the fewest typing mistakes turn into what was written (Damerau-Levenshtein
 * distance: a letter too many, too few, wrong, or two swapped).
 */

/** `; did you mean "x"?` when a candidate is close, else an empty text. */
export function didYouMean(written: string, candidates: Iterable<string>): string {
  return hintOf(closestName(written, candidates));
}

/** `; did you mean "x"?`, or an empty text without a name. */
export function hintOf(closest: string | undefined): string {
  return closest === undefined ? '' : `; did you mean ${JSON.stringify(closest)}?`;
}

/** Names beyond this length are not compared: the effort is quadratic. */
const maxLength = 64;

/** The most mistakes that a name is recognised with. */
const maxMistakes = 3;

/** The closest candidate, or `undefined` when more than a third of it (or more than 3 letters) is different. */
export function closestName(written: string, candidates: Iterable<string>): string | undefined {
  return new NameSearch(candidates).closest(written);
}

/**
 * Searches among the same candidates, for as many names as there are. After `maxComparisons` it finds nothing any more:
 * a hint is not worth a second of the event loop, however many names are unknown.
 */
export class NameSearch {
  /** Candidates by their length: a name is compared with those of about its own. */
  private readonly byLength = new Map<number, string[]>();
  private comparisonsLeft: number;

  constructor(candidates: Iterable<string>, maxComparisons = 10_000) {
    for (const candidate of candidates) {
      const others = this.byLength.get(candidate.length);
      if (others !== undefined) others.push(candidate);
      else if (candidate.length <= maxLength) this.byLength.set(candidate.length, [candidate]);
    }
    this.comparisonsLeft = maxComparisons;
  }

  /** As {@link closestName}. */
  closest(written: string): string | undefined {
    let closest: string | undefined;
    let least = maxMistakes + 1;
    const { length } = written;
    // Each letter more or less is a mistake.
    for (let other = Math.max(0, length - maxMistakes); other <= length + maxMistakes; other++) {
      const most = Math.floor(Math.max(other, length) / 3);
      for (const candidate of length > maxLength ? [] : (this.byLength.get(other) ?? [])) {
        const allowed = Math.min(least - 1, most);
        if (Math.abs(other - length) > allowed || this.comparisonsLeft === 0) break;
        this.comparisonsLeft--;
        const mistakes = distance(written.toLowerCase(), candidate.toLowerCase(), allowed);
        if (mistakes > allowed) continue;
        closest = candidate;
        least = mistakes;
      }
    }
    return closest;
  }
}

/** How many mistakes are between two names; any number above `most` when there are more. */
function distance(a: string, b: string, most: number): number {
  const tooMany = most + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = new Array<number>(b.length + 1).fill(tooMany);
    if (row <= most) current[0] = row;
    let leastOfRow = current[0]!;
    // Farther from the diagonal there are more mistakes than columns between.
    for (let column = Math.max(1, row - most); column <= Math.min(b.length, row + most); column++) {
      const same = a[row - 1] === b[column - 1];
      let least = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, beforeLast[column - 2]! + 1);
      }
      current[column] = least;
      leastOfRow = Math.min(leastOfRow, least);
    }
    if (leastOfRow > most) return tooMany;
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}
