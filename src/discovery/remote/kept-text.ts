/**
 * What does a registry keep beside its documents? What they were, for a rollback, and what those say who watch. Both are
 * JSON under keys of their own, the same in every registry that has keys:
 *
 * - `<prefix>/documents/<name>`: a document in force, YAML or JSON as it was written;
 * - `<prefix>/history/<name>/<version>`: what it was, at most {@link keptVersions} of each;
 * - `<prefix>/watchers/<service>/<process>`: what a process runs on, for as long as it lives.
 */
import { hostname } from 'node:os';
import type { FormerDocument, WatcherReport } from '../registry.ts';

/** The prefix of all keys where an address names none. */
export const defaultPrefix = 'inmesh';

/** How many former versions of a document are kept. */
export const keptVersions = 20;

/** More problems of a refused version are cut off, as are longer ones: registries bound their values. */
const maxProblems = 20;
const maxProblemLength = 500;

/** Tells the processes of a service apart: `host-pid`. */
export function processName(): string {
  return `${hostname()}-${process.pid}`;
}

/** What a document was, as JSON; its name is in its key. */
export function formerText({ version, text, replacedAt }: FormerDocument): string {
  return JSON.stringify({ version, replacedAt, text });
}

/** What {@link formerText} wrote; undefined for anything else. */
export function formerOfText(name: string, json: string): FormerDocument | undefined {
  const value = parse(json);
  const { version, replacedAt, text } = (value ?? {}) as Partial<FormerDocument>;
  if (typeof version !== 'string' || typeof replacedAt !== 'number' || typeof text !== 'string') return undefined;
  return { name, version, replacedAt, text };
}

/** A report as JSON. */
export function reportText(report: WatcherReport): string {
  const problems = report.problems.slice(0, maxProblems).map((problem) => problem.slice(0, maxProblemLength));
  return JSON.stringify({ ...report, problems });
}

/** What {@link reportText} wrote; undefined for anything else. */
export function reportOfText(json: string): WatcherReport | undefined {
  const { watcher, version, refused, problems, reportedAt } = (parse(json) ?? {}) as Partial<WatcherReport>;
  if (typeof watcher !== 'string' || typeof reportedAt !== 'number' || !Array.isArray(problems)) return undefined;
  return { watcher, version, refused, problems, reportedAt };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
