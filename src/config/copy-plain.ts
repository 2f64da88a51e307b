/**
 * Is an inline document plain data? It is copied before anything reads it: what the caller does to his object later
 * changes nothing, getters run once, and keys that mean something to JavaScript itself are refused.
 */
import { forbiddenKeys, maxDepth, maxValues } from './document-bounds.ts';
import type { DocumentPath } from './document-path.ts';

/** Something wrong at a path of a value. */
export interface ValueProblem {
  readonly path: DocumentPath;
  readonly message: string;
}

/**
 * Copies objects, lists and primitives. A field that is `undefined` counts as missing.
 *
 * @returns the copy, whose objects have no prototype; what cannot be copied is missing from it and is a problem.
 */
export function copyPlain(value: unknown): { readonly value: unknown; readonly problems: readonly ValueProblem[] } {
  const problems: ValueProblem[] = [];
  let values = 0;
  let exceeded = false;
  function copy(source: unknown, path: DocumentPath): unknown {
    values++;
    if (exceeded) return undefined;
    if (values > maxValues || path.length > maxDepth) {
      exceeded = true;
      problems.push({ path, message: 'is too large, nested too deep or contains itself' });
      return undefined;
    }
    if (Array.isArray(source)) return source.map((item, index) => copy(item, [...path, index]));
    if (typeof source !== 'object' || source === null) return copyPrimitive(source, path, problems);
    if (!isPlain(source)) {
      problems.push({ path, message: `is a ${source.constructor?.name ?? 'special object'}; allowed: plain data` });
      return undefined;
    }
    const result: Record<string, unknown> = Object.create(null);
    for (const [key, item] of Object.entries(source)) {
      if (forbiddenKeys.has(key)) problems.push({ path: [...path, key], message: `the key ${key} is not allowed` });
      else if (item !== undefined) result[key] = copy(item, [...path, key]);
    }
    return result;
  }
  return { value: copy(value, []), problems };
}

function copyPrimitive(source: unknown, path: DocumentPath, problems: ValueProblem[]): unknown {
  if (typeof source !== 'function' && typeof source !== 'symbol' && typeof source !== 'bigint') return source;
  problems.push({ path, message: `is a ${typeof source}; allowed: plain data` });
  return undefined;
}

function isPlain(source: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(source);
  // The root prototype of any realm: that of a test runner's VM context is another object than ours.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
