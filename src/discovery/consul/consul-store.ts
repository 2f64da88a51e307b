/**
 * How is a document written so that no change is lost? What is there is kept first, under `<prefix>/history/`, and then
 * replaced in a transaction that fails when another version is there than the writer saw (check-and-set), and that drops
 * what is too old. A transaction of both would be too long for documents of half the size that Consul holds.
 *
 * When the transaction fails, what was kept is the version in force, or one that somebody else has replaced: the former
 * is passed over by who reads the history, the latter belongs there. The version of a document is the index of Consul at
 * which it was written.
 */
import { MeshError } from '../../core/errors.ts';
import type { DocumentStore, FormerDocument, StoredDocument, WatcherReport } from '../registry.ts';
import { formerOfText, formerText, keptVersions, reportOfText } from '../remote/kept-text.ts';
import { type ConsulClient, maxReasonLength } from './consul-client.ts';
import { type ConsulKey, keyPath, readConsulKey } from './consul-keys.ts';
import type { ConsulParts } from './consul-poll.ts';

/** Segments that a path keeps: without those that servers resolve. */
const nameForm = /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/;

/** The longest value that Consul takes, in bytes, unless it is told otherwise (`limits.kv_max_value_size`). */
const maxValueBytes = 512 * 1024;

/** Consul takes 64 operations in one transaction; one is that of the document. */
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
    const key = this.documentKey(name);
    const before = await this.current(key);
    if (before?.version !== expected) throw this.conflict(key, expected, before);
    if (before === undefined && text === undefined) return undefined;
    if (text !== undefined) this.assertKeepable(name, key, text);
    const dropped = before === undefined ? [] : await this.keep(name, before);
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
      body: [change, ...dropped],
      accept: [409],
    });
    if (reply.status === 409) throw await this.refusal(key, expected, reply.text);
    return text === undefined ? undefined : this.client.understood(`key ${key}`, () => versionOf(reply.text));
  }

  async history(name: string): Promise<readonly FormerDocument[]> {
    const folder = this.historyFolder(name);
    const keys = await this.read(folder);
    // What a writer kept whose change failed is no former version.
    const inForce = keys.length === 0 ? undefined : await this.current(this.documentKey(name));
    return keys
      .filter(({ key }) => isVersion(key.slice(folder.length)) && key.slice(folder.length) !== inForce?.version)
      .sort((a, b) => Number(b.key.slice(folder.length)) - Number(a.key.slice(folder.length)))
      .map(({ text }) => formerOfText(name, text))
      .filter((former) => former !== undefined);
  }

  async reports(): Promise<readonly WatcherReport[]> {
    const keys = await this.read(`${this.prefix}/watchers/`);
    return keys.map(({ text }) => reportOfText(text)).filter((report) => report !== undefined);
  }

  /** A document that can never be kept could be written once, and never changed. */
  private assertKeepable(name: string, key: string, text: string): void {
    const version = String(Number.MAX_SAFE_INTEGER);
    const bytes = Buffer.byteLength(formerText({ name, version, text, replacedAt: this.clock.wallTime() }));
    if (bytes <= maxValueBytes) return;
    const reason = `${bytes} bytes with what is kept for a rollback; allowed: ${maxValueBytes} (limits.kv_max_value_size)`;
    throw this.client.error(`key ${key}`, `not written: the text has ${reason}`);
  }

  /** Keeps what the document was, and answers with the operations that drop what is too old. */
  private async keep(name: string, { text, version }: ConsulKey): Promise<readonly Operation[]> {
    const folder = this.historyFolder(name);
    const reply = await this.get(folder, { keys: '' });
    const kept = () => listOf(reply.text).map(String);
    const keys = reply.status === 404 ? [] : this.client.understood(`key ${folder}`, kept);
    const versions = keys.map((key) => key.slice(folder.length)).filter((old) => isVersion(old) && old !== version);
    const dropped = versions
      .sort((a, b) => Number(b) - Number(a))
      .slice(keptVersions - 1, keptVersions - 1 + maxDropped);
    await this.client.send({
      method: 'PUT',
      path: keyPath(`${folder}${version}`),
      query: this.client.settings.scope,
      what: `key ${folder}${version}`,
      body: formerText({ name, version, text, replacedAt: this.clock.wallTime() }),
    });
    return dropped.map((old) => ({ KV: { Verb: 'delete', Key: `${folder}${old}` } }));
  }

  private documentKey(name: string): string {
    return `${this.prefix}/documents/${name}`;
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

  /**
   * Asks the leader, whatever watches are content with: who writes wants to know what is there. A 404 without an index is
   * that of another server, and not to be taken for that there is nothing.
   */
  private async get(key: string, query: Readonly<Record<string, string>>) {
    const reply = await this.client.send({
      method: 'GET',
      path: keyPath(key),
      query: { ...query, ...this.client.settings.scope },
      what: `key ${key}`,
      accept: [404],
    });
    this.client.indexOf(`key ${key}`, reply);
    return reply;
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
