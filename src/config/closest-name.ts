/**
 * What did the user mean? The known name that the fewest typing mistakes turn into what was written (Damerau-Levenshtein
 * distance: a letter too many, too few, wrong, or two swapped).
 */

/** `; did you mean "x"?` when a candidate is close, else an empty text. */
export function didYouMean(written: string, candidates: Iterable<string>): string {
  const closest = closestName(written, candidates);
  return closest === undefined ? '' : `; did you mean ${JSON.stringify(closest)}?`;
}

/** Names beyond this length are not compared: the effort is quadratic. */
const maxLength = 64;

/** The closest candidate, or `undefined` when more than a third of it (or more than 3 letters) is different. */
export function closestName(written: string, candidates: Iterable<string>): string | undefined {
  if (written.length > maxLength) return undefined;
  let closest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    if (candidate.length > maxLength) continue;
    const allowed = Math.min(3, Math.floor(Math.max(candidate.length, written.length) / 3));
    const mistakes = distance(written.toLowerCase(), candidate.toLowerCase());
    if (mistakes <= allowed && mistakes < least) {
      closest = candidate;
      least = mistakes;
    }
  }
  return closest;
}

function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let least = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, beforeLast[column - 2]! + 1);
      }
      current.push(least);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}
