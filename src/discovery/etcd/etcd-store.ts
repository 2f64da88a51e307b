/**
 * How are documents written to etcd? What is there is kept first, in a request of its own: both versions would not fit
 * into one. Its key is named by its version, so that it may be written twice, and while that version is in force it is no
 * history. Then one transaction compares the revision of the document, writes it, and forgets the oldest of what was kept.
 */
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import { LoopTurns } from '../loop-turns.ts';
import type { DocumentStore, FormerDocument, StoredDocument, WatcherReport } from '../registry.ts';
import { formerOfText, formerText, keptVersions, reportOfText } from '../remote/kept-text.ts';
import type { EtcdClient } from './etcd-client.ts';
import { documentsPrefix } from './etcd-documents.ts';
import { reportsPrefix } from './etcd-reporter.ts';
import { type KeyValue, keyValueOf, prefixRange, toBase64 } from './etcd-wire.ts';

/** What a store is made of. */
export interface EtcdStoreOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  /** Of the registry's keys. */
  readonly prefix: string;
}

/** What is there before a write. */
interface Present {
  readonly document: KeyValue | undefined;
  /** The keys of former versions, oldest first. */
  readonly history: readonly string[];
}

/** What a write needs. */
interface Write {
  readonly name: string;
  readonly what: string;
  /** Undefined deletes. */
  readonly text: string | undefined;
  readonly present: Present;
}

/** etcd takes at most 128 operations in a transaction. */
const maxForgotten = 100;

/** A document must fit into a request also when it is kept, as JSON. etcd takes 1.5 MiB, and needs some for itself. */
const maxKeptBytes = 1_500_000;

/** Documents in etcd. The version of a document is the revision of its key. */
export class EtcdStore implements DocumentStore {
  private readonly options: EtcdStoreOptions;

  constructor(options: EtcdStoreOptions) {
    this.options = options;
  }

  async list(): Promise<readonly StoredDocument[]> {
    const prefix = documentsPrefix(this.options.prefix);
    const keys = await this.keys(prefix);
    return keys.map(({ key, value, revision }) => ({
      name: key.slice(prefix.length),
      text: value,
      version: String(revision),
    }));
  }

  async write(name: string, text: string | undefined, expected: string | undefined): Promise<string | undefined> {
    if (name === '' || name.includes('/')) {
      throw new MeshError('INMESH_OPTION', `document ${JSON.stringify(name)}; allowed: a name without slashes`);
    }
    if (text !== undefined) refuseTooLarge(name, text);
    const what = this.documentKey(name);
    const present = await this.present(name, what);
    const found = present.document && String(present.document.revision);
    if (found !== expected) throw this.conflict(what, expected, found);
    await this.keep({ name, what, text, present });
    const key = toBase64(what);
    const message = {
      compare: [{ key, target: 'MOD', result: 'EQUAL', mod_revision: expected ?? '0' }],
      success: this.changes({ name, what, text, present }),
      failure: [{ request_range: { key } }],
    };
    const reply = await this.options.client.transact(message, { what });
    if (reply.succeeded === true) return text === undefined ? undefined : reply.header?.revision;
    throw this.conflict(what, expected, reply.responses?.[0]?.response_range?.kvs?.[0]?.mod_revision);
  }

  async history(name: string): Promise<readonly FormerDocument[]> {
    // What is kept may be in force still: a write keeps it first, and may fail then.
    const { document } = await this.present(name, this.documentKey(name));
    const keys = await this.keys(this.historyPrefix(name));
    const newestFirst = [...keys].sort((a, b) => b.revision - a.revision);
    const former = newestFirst.map(({ value }) => formerOfText(name, value)).filter((one) => one !== undefined);
    return former.filter(({ version }) => version !== String(document?.revision));
  }

  async reports(): Promise<readonly WatcherReport[]> {
    const keys = await this.keys(reportsPrefix(this.options.prefix));
    return keys.map(({ value }) => reportOfText(value)).filter((report) => report !== undefined);
  }

  /** The document and the keys of its history at one revision. */
  private async present(name: string, what: string): Promise<Present> {
    const history = {
      ...prefixRange(this.historyPrefix(name)),
      keys_only: true,
      sort_target: 'MOD',
      sort_order: 'ASCEND',
    };
    const message = { success: [{ request_range: { key: toBase64(what) } }, { request_range: history }] };
    const { responses = [] } = await this.options.client.transact(message, { what, isRepeatable: true });
    const [document, former] = responses.map(({ response_range }) => (response_range?.kvs ?? []).map(keyValueOf));
    return { document: document?.[0], history: (former ?? []).map(({ key }) => key) };
  }

  /** Keeps what is there, while it is. */
  private async keep({ name, what, present: { document } }: Write): Promise<void> {
    if (document === undefined) return;
    const version = String(document.revision);
    const former = formerText({ name, version, text: document.value, replacedAt: this.options.clock.wallTime() });
    const message = {
      compare: [{ key: toBase64(what), target: 'MOD', result: 'EQUAL', mod_revision: version }],
      success: [put(`${this.historyPrefix(name)}${version}`, former)],
    };
    await this.options.client.transact(message, { what, isRepeatable: true });
  }

  private changes({ name, what, text, present: { document, history } }: Write): object[] {
    const change = text === undefined ? { request_delete_range: { key: toBase64(what) } } : put(what, text);
    if (document === undefined) return text === undefined ? [] : [change];
    const kept = `${this.historyPrefix(name)}${document.revision}`;
    const others = history.filter((key) => key !== kept);
    const forgotten = others.slice(0, Math.max(0, others.length + 1 - keptVersions)).slice(0, maxForgotten);
    return [change, ...forgotten.map((oldest) => ({ request_delete_range: { key: toBase64(oldest) } }))];
  }

  private async keys(prefix: string): Promise<readonly KeyValue[]> {
    const { client, clock } = this.options;
    return (await client.keys(prefix, new LoopTurns(clock), {})).keys;
  }

  private documentKey(name: string): string {
    return `${documentsPrefix(this.options.prefix)}${name}`;
  }

  private historyPrefix(name: string): string {
    return `${this.options.prefix}/history/${name}/`;
  }

  private conflict(what: string, expected: string | undefined, found: string | undefined): MeshError {
    const [wanted, there] = [expected, found].map((version) => version ?? 'none');
    const { name } = this.options.client;
    return new MeshError('INMESH_CONFLICT', `${name}: ${what}: expected version ${wanted}, found ${there}`);
  }
}

function put(key: string, text: string): object {
  return { request_put: { key: toBase64(key), value: toBase64(text) } };
}

/** @throws MeshError `INMESH_OPTION` for what could be written, but never changed. */
function refuseTooLarge(name: string, text: string): void {
  const bytes = Buffer.byteLength(JSON.stringify(text));
  if (bytes <= maxKeptBytes) return;
  throw new MeshError(
    'INMESH_OPTION',
    `document ${JSON.stringify(name)} has ${bytes} bytes as JSON text; allowed: ${maxKeptBytes}, so that etcd can keep it`,
  );
}
