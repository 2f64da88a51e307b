/**
 * How large may a document be, and which names may not be keys in it? Checked while a document is read, whatever its
 * source, so that everything behind can recurse and look up without a second thought.
 */

/** Objects nested deeper than this are no mesh document; its schema is 9 deep. */
export const maxDepth = 32;

/** Values in one document: room for 100,000 endpoints. */
export const maxValues = 1_000_000;

/** Values that aliases may stand for, on top of what is written out: the end of an alias bomb. */
export const maxAliasedValues = 100_000;

/** Characters of one document. */
export const maxTextLength = 32 * 1024 * 1024;

/** Keys that mean something to JavaScript itself. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
