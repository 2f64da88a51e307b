/**
 * How is a document published? `inmesh registry`: it is validated together with the others that are in force, and
 * written only over the version that was looked at, so that of two people who publish at once one is told.
 */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { Writable } from 'node:stream';
import { createTwoFilesPatch } from 'diff';
import { compile } from '../config/compile.ts';
import { systemClock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import { systemRandom } from '../core/random.ts';
import { openRegistry } from '../discovery/open-registry.ts';
import type { DocumentStore, Registry, StoredDocument } from '../discovery/registry.ts';

/** What can be done. */
export const registryActions = ['apply', 'get', 'diff', 'history', 'rollback', 'watchers'] as const;

/** What stands on the command line. */
export interface RegistryCommandOptions {
  /** The address of the registry. */
  readonly registry: string;
  /** The name of the document. Default: that of the file without its extension, else the only one that is there. */
  readonly name: string | undefined;
  /** For `apply` and `rollback`: the version that has to be there. Default: the one that is. */
  readonly expect: string | undefined;
  /** For `rollback`: the version to go back to. Default: the former one. */
  readonly to: string | undefined;
  /** For `apply` and `rollback`: whether warnings are problems. */
  readonly strict: boolean;
}

/** Where results and messages go. */
export interface Streams {
  readonly out: Writable;
  readonly err: Writable;
}

const done = 0;
const refused = 1;

/** Those that take a file; the others take none. */
const takeFile: readonly (typeof registryActions)[number][] = ['apply', 'diff'];

/** A command over an open store. */
interface Command extends Streams {
  readonly store: DocumentStore;
  readonly options: RegistryCommandOptions;
  /** The file; empty for commands that take none. */
  readonly path: string;
}

const commands: Readonly<Record<(typeof registryActions)[number], (command: Command) => Promise<number>>> = {
  apply,
  get,
  diff: showDiff,
  history: showHistory,
  rollback,
  watchers: showWatchers,
};

/** Runs `inmesh registry <action> [file]`. Answers with the exit code; what fails is told, not thrown. */
export async function registryCommand(
  action: (typeof registryActions)[number],
  files: readonly string[],
  options: RegistryCommandOptions,
  streams: Streams,
): Promise<number> {
  let registry: Registry | undefined;
  try {
    requireFiles(action, files);
    registry = openRegistry(options.registry, { clock: systemClock, random: systemRandom });
    const { store } = registry;
    if (store === undefined) {
      const message = `${registry.name}: documents cannot be written there by this command; allowed: consul:, etcd: and kubernetes:`;
      throw new MeshError('INMESH_UNSUPPORTED', message);
    }
    return await commands[action]({ ...streams, store, options, path: files[0] ?? '' });
  } catch (error) {
    streams.err.write(`${(error as Error).message}\n`);
    return refused;
  } finally {
    await registry?.close();
  }
}

async function apply(command: Command): Promise<number> {
  const { store, options, path, out } = command;
  const name = options.name ?? basename(path, extname(path));
  const text = await readFile(path, 'utf8');
  const all = await store.list();
  const current = all.find((document) => document.name === name);
  if (!(await isValid(command, { name: path, text }, all, name))) return refused;
  if (current?.text === text && (options.expect === undefined || options.expect === current.version)) {
    out.write(`${name} is unchanged: version ${current.version}\n`);
    return done;
  }
  const version = await store.write(name, text, options.expect ?? current?.version);
  out.write(`${name} is in force: version ${version}, ${was(current)}\n`);
  return done;
}

async function get({ store, options, out }: Command): Promise<number> {
  out.write(pick(await store.list(), options.name).text);
  return done;
}

async function showDiff({ store, options, path, out }: Command): Promise<number> {
  const name = options.name ?? basename(path, extname(path));
  const current = (await store.list()).find((document) => document.name === name);
  const text = await readFile(path, 'utf8');
  if (current?.text === text) return done;
  const before = current === undefined ? 'nothing' : `${name} version ${current.version}`;
  out.write(createTwoFilesPatch(before, path, current?.text ?? '', text, undefined, undefined, { context: 3 }));
  return refused;
}

async function showHistory({ store, options, out }: Command): Promise<number> {
  const all = await store.list();
  const name = options.name ?? (all.length === 0 ? 'mesh' : pick(all, undefined).name);
  const current = all.find((document) => document.name === name);
  if (current !== undefined) out.write(`${current.version}\tin force\n`);
  for (const { version, replacedAt } of await store.history(name)) {
    out.write(`${version}\tuntil ${new Date(replacedAt).toISOString()}\n`);
  }
  return done;
}

async function rollback(command: Command): Promise<number> {
  const { store, options, out } = command;
  const all = await store.list();
  const name = options.name ?? pick(all, undefined).name;
  const current = all.find((document) => document.name === name);
  const history = await store.history(name);
  const former = options.to === undefined ? history[0] : history.find(({ version }) => version === options.to);
  if (former === undefined) {
    const known = history.map(({ version }) => version).join(', ') || 'none';
    throw new MeshError(
      'INMESH_OPTION',
      `${name} has no version ${options.to ?? 'before this one'}; kept are ${known}`,
    );
  }
  const label = `${name} version ${former.version}`;
  if (!(await isValid(command, { name: label, text: former.text }, all, name))) return refused;
  const version = await store.write(name, former.text, options.expect ?? current?.version);
  out.write(`${name} is again what it was at version ${former.version}: version ${version}, ${was(current)}\n`);
  return done;
}

async function showWatchers({ store, out }: Command): Promise<number> {
  if (store.reports === undefined)
    throw new MeshError('INMESH_UNSUPPORTED', 'this registry cannot hold what watchers say');
  const reports = [...(await store.reports())].sort((a, b) => a.watcher.localeCompare(b.watcher));
  for (const { watcher, version, refused: bad, problems } of reports) {
    const runs = version === undefined ? 'runs on none' : `runs on ${version}`;
    out.write(`${watcher}\t${runs}${bad === undefined ? '' : `\trefuses ${bad}`}\n`);
    for (const problem of problems) out.write(`\t${problem}\n`);
  }
  return reports.some((report) => report.refused !== undefined) ? refused : done;
}

/** Whether a document is good together with the others, as a mesh would judge it; says why not. */
async function isValid(
  { err, options }: Command,
  candidate: { readonly name: string; readonly text: string },
  all: readonly StoredDocument[],
  name: string,
): Promise<boolean> {
  const others = all.filter((document) => document.name !== name);
  const result = await compile([...others, candidate]);
  if (!result.ok) {
    err.write(`${result.problems.join('\n')}\nnothing was written\n`);
    return false;
  }
  for (const warning of result.warnings) err.write(`warning: ${warning}\n`);
  if (!options.strict || result.warnings.length === 0) return true;
  err.write('nothing was written: with --strict a warning is a problem\n');
  return false;
}

function requireFiles(action: (typeof registryActions)[number], { length }: readonly string[]): void {
  const allowed = takeFile.includes(action) ? 1 : 0;
  if (length === allowed) return;
  const message = `${action}: ${length} files are given; allowed is ${allowed === 1 ? 'one' : 'none'}`;
  throw new MeshError('INMESH_OPTION', message);
}

function pick(all: readonly StoredDocument[], name: string | undefined): StoredDocument {
  const names = all.map((document) => document.name).join(', ') || 'none';
  const found = name === undefined ? (all.length === 1 ? all[0] : undefined) : all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const wanted = name === undefined ? 'which document is meant (--name)?' : `there is no document ${name};`;
  throw new MeshError('INMESH_OPTION', `${wanted} there are ${names}`);
}

function was(current: StoredDocument | undefined): string {
  return current === undefined ? 'before there was none' : `before ${current.version}`;
}
