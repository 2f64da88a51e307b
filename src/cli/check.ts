/**
 * Is a document valid? Answered by the code that would put it in force, so that what passes here is accepted there.
 */
import type { Writable } from 'node:stream';
import { compile } from '../config/compile.ts';
import { readDocuments } from '../discovery/document-files.ts';

/** The exit codes of {@link check}. */
const valid = 0;
const invalid = 1;

/** Checks the documents at `paths` together, as a mesh would load them. Answers with the exit code. */
export async function check(paths: readonly string[], out: Writable, err: Writable): Promise<number> {
  let documents: Awaited<ReturnType<typeof readDocuments>>;
  try {
    documents = await readDocuments(paths);
  } catch (error) {
    err.write(`${(error as Error).message}\n`);
    return invalid;
  }
  const result = await compile(documents);
  if (!result.ok) {
    err.write(`${result.problems.join('\n')}\n`);
    return invalid;
  }
  for (const warning of result.warnings) err.write(`warning: ${warning}\n`);
  const { services, routes } = result.config;
  out.write(`valid: ${services.size} services, rules for ${routes.size} hosts\n`);
  return valid;
}
