/**
 * Does a document have the form of the schema? Each issue of the schema becomes one message: the place, what is there,
 * and what is allowed.
 */
import type { z } from 'zod';
import type { DocumentPath } from './document-path.ts';
import type { ProblemList } from './problem-list.ts';
import { meshSchema } from './schema.ts';
import type { SourceDocument } from './source-document.ts';

/** A document that has the form of the schema. */
export type CheckedDocument = z.output<typeof meshSchema>;

/** Checks the form of a document; what is wrong goes to `problems`. */
export function checkDocument(source: SourceDocument, problems: ProblemList): CheckedDocument | undefined {
  const result = meshSchema.safeParse(source.value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) addIssue(source, issue, problems);
  return undefined;
}

function addIssue(source: SourceDocument, issue: z.core.$ZodIssue, problems: ProblemList): void {
  const path = issue.path as DocumentPath;
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split('\n');
    issue.keys.forEach((key, index) => {
      problems.add(source, [...path, key], messages[index] ?? issue.message, 'key');
    });
  } else if (issue.code === 'invalid_key') {
    problems.add(source, path, `the key is not allowed; allowed: ${issue.message}`, 'key');
  } else {
    const value = valueAt(source.value, path);
    if (value === undefined) problems.add(source, path, `is missing; needed: ${issue.message}`);
    else problems.add(source, path, `is ${show(value)}; allowed: ${issue.message}`);
  }
}

function valueAt(root: unknown, path: DocumentPath): unknown {
  let current = root;
  for (const step of path) current = (current as Record<string | number, unknown> | undefined)?.[step];
  return current;
}

/** A value for people, short and without line breaks. */
function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
}
