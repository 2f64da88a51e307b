/**
 * How is a document written so that no change is lost? In one transaction that fails when another version is there than
 * the writer saw (check-and-set), and that keeps what was there under `<prefix>/history/` and drops what is too old. The
 * version of a document is the index of Consul at which it was written.
 */
import { MeshError } from '../core/errors.ts';
import { type ConsulClient, keyPath, maxReasonLength } from './consul-client.ts';
import { type ConsulKey, readConsulKey } from './consul-keys.ts';
import type { ConsulParts } from './consul-poll.ts';
import { formerOfText, formerText, keptVersions, reportOfText } from './kept-text.ts';
import type { DocumentStore, FormerDocument, StoredDocument, WatcherReport } from './registry.ts';

/** Segments that a path keeps: without those that servers resolve. */
const nameForm = /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/;

/** Consul takes 64 operations in one transaction; two are those of the document. */
const maxDropped = 50;

/** An operation of a transaction. */
type Operation = { readonly KV: Readonly<Record<string, string | number>> };

/** The documents of one registry. */
export class ConsulStore implements DocumentStore {
  private readonly client: ConsulClient;
  private readonly clock: ConsulParts['clock'];
  private readonly prefix: string;

  constructor({ client, clock }: Pick<ConsulParts, 'client' | 'clock'>) {
    this.client = client;
    this.clock = clock;
    this.prefix = client.settings.prefix;
  }

  async list(): Promise<readonly StoredDocument[]> {
    const folder = `${this.prefix}/documents/`;
    const keys = await this.read(folder);
    return keys.map(({ key, text, version }) => ({ name: key.slice(folder.length), text, version }));
  }

  async write(name: string, text: string | undefined, expected: string | undefined): Promise<string | undefined> {
    if (!nameForm.test(name)) {
      throw new MeshError('INMESH_OPTION', `document ${name}: allowed are names of letters, digits, ".", "_" and "-"`);
    }
    const key = `${this.prefix}/documents/${name}`;
    const before = await this.current(key);
    if (before?.version !== expected) throw this.conflict(key, expected, before);
    if (before === undefined && text === undefined) return undefined;
    const former = before === undefined ? [] : await this.keep(name, before);
    const index = Number(expected ?? 0);
    const change: Operation =
      text === undefined
        ? { KV: { Verb: 'delete-cas', Key: key, Index: index } }
        : { KV: { Verb: 'cas', Key: key, Value: base64(text), Index: index } };
    const reply = await this.client.send({
      method: 'PUT',
      path: '/v1/txn',
      query: this.client.settings.scope,
      what: `key ${key}`,
      body: [change, ...former],
      accept: [409],
    });
    if (reply.status === 409) throw await this.refusal(key, expected, reply.text);
    return text === undefined ? undefined : this.client.understood(`key ${key}`, () => versionOf(reply.text));
  }

  async history(name: string): Promise<readonly FormerDocument[]> {
    const folder = this.historyFolder(name);
    const keys = await this.read(folder);
    return keys
      .filter(({ key }) => isVersion(key.slice(folder.length)))
      .sort((a, b) => Number(b.key.slice(folder.length)) - Number(a.key.slice(folder.length)))
      .map(({ text }) => formerOfText(name, text))
      .filter((former) => former !== undefined);
  }

  async reports(): Promise<readonly WatcherReport[]> {
    const keys = await this.read(`${this.prefix}/watchers/`);
    return keys.map(({ text }) => reportOfText(text)).filter((report) => report !== undefined);
  }

  /** The operations that keep what the document was. */
  private async keep(name: string, { text, version }: ConsulKey): Promise<readonly Operation[]> {
    const folder = this.historyFolder(name);
    const reply = await this.get(folder, { keys: '' });
    const kept = () => listOf(reply.text).map(String);
    const keys = reply.status === 404 ? [] : this.client.understood(`key ${folder}`, kept);
    const versions = keys.map((key) => key.slice(folder.length)).filter(isVersion);
    const dropped = versions
      .sort((a, b) => Number(b) - Number(a))
      .slice(keptVersions - 1, keptVersions - 1 + maxDropped);
    const value = base64(formerText({ name, version, text, replacedAt: this.clock.wallTime() }));
    return [
      { KV: { Verb: 'set', Key: `${folder}${version}`, Value: value } },
      ...dropped.map((old) => ({ KV: { Verb: 'delete', Key: `${folder}${old}` } })),
    ];
  }

  private historyFolder(name: string): string {
    return `${this.prefix}/history/${name}/`;
  }

  private async current(key: string): Promise<ConsulKey | undefined> {
    const reply = await this.get(key, {});
    return reply.status === 404 ? undefined : this.client.understood(`key ${key}`, () => keysOf(reply.text))[0];
  }

  private async read(folder: string): Promise<readonly ConsulKey[]> {
    const reply = await this.get(folder, { recurse: '' });
    return reply.status === 404 ? [] : this.client.understood(`key ${folder}`, () => keysOf(reply.text));
  }

  /** Asks the leader, whatever watches are content with: who writes wants to know what is there. */
  private get(key: string, query: Readonly<Record<string, string>>) {
    return this.client.send({
      method: 'GET',
      path: keyPath(key),
      query: { ...query, ...this.client.settings.scope },
      what: `key ${key}`,
      accept: [404],
    });
  }

  /** A transaction is refused in the same way for another version and for missing rights. */
  private async refusal(key: string, expected: string | undefined, json: string): Promise<MeshError> {
    const found = await this.current(key);
    if (found?.version !== expected) return this.conflict(key, expected, found);
    return this.client.error(`key ${key}`, `not written: ${reasonsOf(json).slice(0, maxReasonLength)}`);
  }

  private conflict(key: string, expected: string | undefined, found: ConsulKey | undefined): MeshError {
    const message = `${this.client.settings.name}: key ${key}: version ${found?.version ?? 'none'} is there; expected: ${expected ?? 'none'}`;
    return new MeshError('INMESH_CONFLICT', message);
  }
}

function isVersion(text: string): boolean {
  return /^\d+$/.test(text);
}

function listOf(json: string): readonly unknown[] {
  const list: unknown = JSON.parse(json);
  if (Array.isArray(list)) return list;
  throw new SyntaxError('what came is no JSON array');
}

function keysOf(json: string): readonly ConsulKey[] {
  return listOf(json)
    .map(readConsulKey)
    .filter((key) => key !== undefined);
}

/** All operations of a transaction have one index. */
function versionOf(json: string): string {
  const { Results } = JSON.parse(json) as { Results?: readonly { KV?: { ModifyIndex?: unknown } }[] | null };
  const index = Results?.[0]?.KV?.ModifyIndex;
  if (typeof index !== 'number') throw new SyntaxError('a transaction has no index');
  return String(index);
}

/** Why a transaction was refused, in Consul's words; as it came where it has another form. */
function reasonsOf(text: string): string {
  try {
    const { Errors } = JSON.parse(text) as { Errors: readonly { What: string }[] };
    return Errors.map(({ What }) => What).join('; ');
  } catch {
    return text;
  }
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
