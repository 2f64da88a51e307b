/**
 * Which labels does the filter of a Consul subset ask for? Subsets of a document select by labels that are equal, so
 * that a filter has to say the same: metadata that equal a value, and tags that are there, joined by `and`.
 */
import { isLabelKey, labelOfTag } from './consul-instance.ts';

const value = /(?:"([^"\\]*)"|`([^`]*)`|([A-Za-z0-9_./:=-]+))/.source;
const equals = new RegExp(`^Service\\.Meta(?:\\.([A-Za-z0-9_-]+)|\\["([^"\\\\]+)"\\])\\s*==\\s*${value}$`);
const hasTag = new RegExp(`^${value}\\s+in\\s+Service\\.Tags$`);
const tagsContain = new RegExp(`^Service\\.Tags\\s+contains\\s+${value}$`);

/** The labels, none for an empty filter; undefined when labels cannot say what the filter says. */
export function labelsOfFilter(filter: string): Readonly<Record<string, string>> | undefined {
  const labels = new Map<string, string>();
  if (filter.trim() === '') return {};
  for (const term of terms(filter)) {
    const label = labelOfTerm(term.trim());
    if (label === undefined) return undefined;
    const [name, wanted] = label;
    // Two values of one label: no instance, or one with two such tags.
    if (labels.has(name) && labels.get(name) !== wanted) return undefined;
    labels.set(name, wanted);
  }
  return Object.fromEntries(labels);
}

function labelOfTerm(term: string): readonly [string, string] | undefined {
  const [isEqual, plainKey, quotedKey, ...values] = equals.exec(term) ?? [];
  if (isEqual !== undefined) {
    const key = plainKey ?? (quotedKey as string);
    return isLabelKey(key) ? [key, one(values)] : undefined;
  }
  const [isTag, ...tags] = hasTag.exec(term) ?? tagsContain.exec(term) ?? [];
  return isTag === undefined ? undefined : labelOfTag(one(tags));
}

function one(values: readonly (string | undefined)[]): string {
  return values.find((found) => found !== undefined) ?? '';
}

/** The parts between `and`, where that stands outside of quotes. */
function terms(filter: string): string[] {
  const parts: string[] = [''];
  for (const [piece] of filter.matchAll(/"[^"]*"|`[^`]*`|\s+and\s+|[^"`\s]+|["`]|\s+/g)) {
    if (/^\s+and\s+$/.test(piece)) parts.push('');
    else parts[parts.length - 1] += piece;
  }
  return parts;
}
