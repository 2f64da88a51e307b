/**
 * How are documents written to etcd? In one transaction that compares the revision of the key, writes the document,
 * keeps what was there, and forgets the oldest of what was kept: all of it or nothing.
 */
import type { Clock } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import type { EtcdClient } from './etcd-client.ts';
import { documentsPrefix } from './etcd-documents.ts';
import { reportsPrefix } from './etcd-reporter.ts';
import { type EtcdKeyValue, type KeyValue, keyValueOf, prefixRange, toBase64 } from './etcd-wire.ts';
import { formerOfText, formerText, keptVersions, reportOfText } from './kept-text.ts';
import { LoopTurns } from './loop-turns.ts';
import type { DocumentStore, FormerDocument, StoredDocument, WatcherReport } from './registry.ts';

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
  /** The keys of former versions, oldest first, in base64. */
  readonly history: readonly string[];
}

/** etcd takes at most 128 operations in a transaction. */
const maxForgotten = 100;

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
    const what = `${documentsPrefix(this.options.prefix)}${name}`;
    const present = await this.present(name, what);
    const found = present.document && String(present.document.revision);
    if (found !== expected) throw this.conflict(what, expected, found);
    const key = toBase64(what);
    const message = {
      compare: [{ key, target: 'MOD', result: 'EQUAL', mod_revision: expected ?? '0' }],
      success: this.changes(name, key, text, present),
      failure: [{ request_range: { key } }],
    };
    const reply = await this.options.client.transact(message, { what });
    if (reply.succeeded === true) return text === undefined ? undefined : reply.header?.revision;
    throw this.conflict(what, expected, reply.responses?.[0]?.response_range?.kvs?.[0]?.mod_revision);
  }

  async history(name: string): Promise<readonly FormerDocument[]> {
    const keys = await this.keys(this.historyPrefix(name));
    const newestFirst = [...keys].sort((a, b) => b.revision - a.revision);
    return newestFirst.map(({ value }) => formerOfText(name, value)).filter((former) => former !== undefined);
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
    const { responses = [] } = await this.options.client.transact(message, { what });
    const [document, former] = responses.map(({ response_range }) => response_range?.kvs ?? []);
    return { document: document?.map(keyValueOf)[0], history: (former ?? []).map(({ key }: EtcdKeyValue) => key) };
  }

  private changes(name: string, key: string, text: string | undefined, { document, history }: Present): object[] {
    if (document === undefined) return text === undefined ? [] : [put(key, text)];
    const version = String(document.revision);
    const former = formerText({ name, version, text: document.value, replacedAt: this.options.clock.wallTime() });
    const forgotten = history.slice(0, Math.max(0, history.length + 1 - keptVersions)).slice(0, maxForgotten);
    return [
      text === undefined ? { request_delete_range: { key } } : put(key, text),
      put(toBase64(`${this.historyPrefix(name)}${version}`), former),
      ...forgotten.map((oldest) => ({ request_delete_range: { key: oldest } })),
    ];
  }

  private async keys(prefix: string): Promise<readonly KeyValue[]> {
    const { client, clock } = this.options;
    return (await client.keys(prefix, new LoopTurns(clock), {})).keys;
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
  return { request_put: { key, value: toBase64(text) } };
}
