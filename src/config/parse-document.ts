/**
 * How does a raw document become a value? Texts are read as YAML, the large ones in a thread of their own, so that the
 * calls in flight do not wait for a parser; values are copied.
 */
import { Worker } from 'node:worker_threads';
import type { RawDocument } from '../discovery/registry.ts';
import { copyPlain } from './copy-plain.ts';
import type { ProblemList } from './problem-list.ts';
import { readYaml, type YamlResult } from './read-yaml.ts';
import { linePosition, SourceDocument } from './source-document.ts';

/** Texts of more characters than this (5 to 15 ms of parsing) go to a thread. */
export const largeTextLength = 256 * 1024;

/** The worker's file beside this one: a `.ts` in the sources, a `.js` in the package. */
const workerUrl = new URL(`./parse-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

/**
 * Reads a document; what is wrong with its syntax goes to `problems`.
 *
 * @returns the document, or `undefined` when it cannot be read.
 */
export async function parseDocument(raw: RawDocument, problems: ProblemList): Promise<SourceDocument | undefined> {
  if (raw.text === undefined) return parseValue(raw, problems);
  const text = raw.text.startsWith('\ufeff') ? raw.text.slice(1) : raw.text;
  const result = text.length > largeTextLength ? await readYamlInThread(text, workerUrl) : readYaml(text);
  if (result.ok) return new SourceDocument(raw.name, result.value, text, result.offsets);
  for (const { offset, message } of result.problems) {
    problems.addText(`${raw.name}:${linePosition(text, offset)}: ${message}`);
  }
  return undefined;
}

function parseValue(raw: RawDocument, problems: ProblemList): SourceDocument | undefined {
  const { value, problems: found } = copyPlain(raw.value);
  const source = new SourceDocument(raw.name, value);
  for (const { path, message } of found) problems.add(source, path, message);
  return found.length === 0 ? source : undefined;
}

/**
 * Reads a text in a new thread. The thread keeps the process alive while it works: a program that awaits its first
 * configuration must not exit for want of anything else to do.
 *
 * Where there is no such thread (a bundler has left its file behind, or threads are forbidden), the text is read here.
 */
export function readYamlInThread(text: string, url: URL): Promise<YamlResult> {
  return new Promise((resolve) => {
    let settled = false;
    const settle = (result?: YamlResult) => {
      if (settled) return;
      settled = true;
      resolve(result ?? readYaml(text));
    };
    try {
      // Nothing of our own command line: `--import inmesh/register` would start a second mesh in there.
      const worker = new Worker(url, { execArgv: [], env: {} });
      worker.once('message', (result: YamlResult) => {
        settle(result);
        void worker.terminate();
      });
      worker.once('error', () => settle());
      worker.once('exit', () => settle());
      worker.postMessage(text);
    } catch {
      settle();
    }
  });
}
