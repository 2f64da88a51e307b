/**
 * What does a process run on that starts while its registry is down? On what it, or another of its kind, was told
 * before: this file. It is replaced as a whole, and not believed when it is cut off, changed, or of another registry.
 *
 * One JSON value a line, so that writing does not hold up the process: a head, documents, endpoints, and last a hash over
 * all lines before it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { endpointOfText, endpointText } from './endpoint-text.ts';
import { LoopTurns } from './loop-turns.ts';
import type { RawDocument } from './registry.ts';

/** Documents of one version. */
export interface SnapshotDocuments {
  readonly version: string;
  readonly documents: readonly RawDocument[];
}

/** What is kept. */
export interface SnapshotContent {
  /** In ms since the epoch. */
  readonly savedAt: number;
  readonly documents: SnapshotDocuments | undefined;
  /** By service. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
}

const format = 1;
const leftoverMs = 60_000;
/** Endpoints on one line. */
const perLine = 100;

/**
 * Writes a snapshot in place of the former one, readable by its owner alone.
 *
 * @param registry the name of the registry.
 * @throws the error of the file system; the former one is still there.
 */
export async function writeSnapshot(
  path: string,
  registry: string,
  content: SnapshotContent,
  clock: Clock,
): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const written = join(folder, `.${basename(path)}.${randomUUID()}`);
  const turns = new LoopTurns(clock);
  const hash = createHash('sha256');
  try {
    const file = await open(written, 'wx', 0o600);
    try {
      for (const line of lines(registry, content)) {
        hash.update(line);
        await file.write(line);
        if (turns.due) await turns.turn();
      }
      await file.write(`${JSON.stringify({ sha256: hash.digest('hex') })}\n`);
      // The name must not come to the disk before what it names.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(written, path);
  } catch (error) {
    await rm(written, { force: true });
    throw error;
  }
}

/**
 * Reads a snapshot.
 *
 * @returns undefined when there is no file.
 * @throws Error when it cannot be read, is not whole, or is of another registry.
 */
export async function readSnapshot(path: string, registry: string, clock: Clock): Promise<SnapshotContent | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  const end = bytes.lastIndexOf(10, -2) + 1;
  const { sha256 } = parse(bytes.toString('utf8', end));
  if (sha256 !== createHash('sha256').update(bytes.subarray(0, end)).digest('hex')) {
    throw new Error('it is not whole, or was changed: its hash does not fit');
  }
  const [head, ...rest] = bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  const { format: found, registry: of, savedAt, version } = parse(head as string);
  if (found !== format || typeof savedAt !== 'number')
    throw new Error(`it is of format ${String(found)}; known is ${format}`);
  if (of !== registry) throw new Error(`it is of the registry ${String(of)}`);
  const read = await readLines(rest, new LoopTurns(clock));
  const documents = typeof version === 'string' ? { version, documents: read.documents } : undefined;
  return { savedAt, documents, endpoints: read.endpoints };
}

/** Removes what processes left behind that were killed while they wrote; what is younger than a minute may be in use. */
export async function removeLeftovers(path: string, clock: Clock): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(`.${basename(path)}.`)) continue;
    const file = join(folder, name);
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (mtimeMs < clock.wallTime() - leftoverMs) await rm(file, { force: true });
  }
}

function* lines(registry: string, { savedAt, documents, endpoints }: SnapshotContent): Generator<string> {
  yield `${JSON.stringify({ format, registry, savedAt, version: documents?.version })}\n`;
  for (const document of documents?.documents ?? []) yield `${JSON.stringify({ document })}\n`;
  for (const [service, all] of endpoints) {
    for (let start = 0; start === 0 || start < all.length; start += perLine) {
      const some = all.slice(start, start + perLine).map(endpointText);
      yield `{"service":${JSON.stringify(service)},"endpoints":[${some.join()}]}\n`;
    }
  }
}

async function readLines(rest: readonly string[], turns: LoopTurns) {
  const documents: RawDocument[] = [];
  const endpoints = new Map<string, Endpoint[]>();
  for (const line of rest) {
    if (turns.due) await turns.turn();
    const { document, service, endpoints: some } = parse(line);
    if (document !== undefined) documents.push(document as RawDocument);
    if (typeof service !== 'string' || !Array.isArray(some)) continue;
    const all = endpoints.get(service) ?? [];
    endpoints.set(service, all);
    for (const one of some) {
      const endpoint = endpointOfText(JSON.stringify(one));
      if (typeof endpoint === 'string') throw new Error(`an endpoint of ${service}: ${endpoint}`);
      all.push(endpoint);
    }
  }
  return { documents, endpoints };
}

function parse(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new Error('it is not whole: a line is no JSON');
}
