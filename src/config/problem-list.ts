/**
 * What is wrong with the documents? All of it, not only the first: one message a problem, with its place, and bounded.
 */
import type { DocumentPath } from './document-path.ts';
import type { Side, SourceDocument } from './source-document.ts';

/** More problems than this are counted and not told. */
export const maxProblems = 50;

/** Problems, or warnings, in the order in which they were found; each once. */
export class ProblemList {
  private readonly told = new Set<string>();
  private untold = 0;

  get empty(): boolean {
    return this.told.size === 0;
  }

  /** Adds a message about a place of a document; one that is costly to word is a function, called if it is told. */
  add(source: SourceDocument, path: DocumentPath, message: string | (() => string), side: Side = 'value'): void {
    if (this.told.size >= maxProblems) this.untold++;
    else this.addText(`${source.place(path, side)}: ${typeof message === 'string' ? message : message()}`);
  }

  /** Adds a message that names its place itself. */
  addText(message: string): void {
    if (this.told.size < maxProblems) this.told.add(message);
    else this.untold++;
  }

  /** The messages. */
  texts(): readonly string[] {
    return this.untold === 0 ? [...this.told] : [...this.told, `and ${this.untold} more`];
  }
}
