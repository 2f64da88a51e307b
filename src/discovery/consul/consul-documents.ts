/**
 * Where in Consul are the documents? Under `<prefix>/documents/`, each key one of them. While there are none, Consul's
 * own configuration entries are the one document (`consul-config-entries.ts`); the first key takes their place, so that
 * nobody has to know how the two would add up.
 */
import { events } from '../../core/events.ts';
import { LoopTurns } from '../loop-turns.ts';
import type { RawDocument, Sink, Watch } from '../registry.ts';
import type { ConsulAnswer } from './consul-client.ts';
import { type ConsulEntriesOptions, ConsulEntriesWatch } from './consul-entries-watch.ts';
import { keyPath, readConsulKey } from './consul-keys.ts';
import { pollConsul } from './consul-poll.ts';
import type { ConsulReports } from './consul-reports.ts';

/** What a watch of documents works with. */
export interface ConsulDocumentsOptions extends ConsulEntriesOptions {
  /** Where the verdicts go; undefined for a tool. */
  readonly reports: ConsulReports | undefined;
}

/** Watches the documents. */
export class ConsulDocuments implements Watch {
  private readonly options: ConsulDocumentsOptions;
  private readonly sink: Sink<readonly RawDocument[]>;
  /** `inmesh/documents/`. */
  private readonly folder: string;
  private readonly keys: Watch;
  /** Open while there are no keys. */
  private entries: ConsulEntriesWatch | undefined;
  /** What was told last; none for that there is nothing, undefined before the first and after a failure. */
  private told: readonly RawDocument[] | undefined;
  private judging: Promise<void> = Promise.resolve();
  private isMissingTold = false;
  private closed = false;

  constructor(options: ConsulDocumentsOptions, sink: Sink<readonly RawDocument[]>) {
    const { prefix } = options.client.settings;
    const path = `${prefix}/documents/`;
    this.options = options;
    this.sink = sink;
    this.folder = path;
    this.keys = pollConsul({
      ...options,
      question: { path: keyPath(path), query: { recurse: '' }, what: `key ${path}` },
      take: (answer, signal) => this.takeKeys(answer, signal),
      failed: (error) => this.failed(error),
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.keys.close();
    this.entries?.close();
  }

  private async takeKeys({ elements, index, isFiltered }: ConsulAnswer, signal: AbortSignal): Promise<void> {
    const { clock, client } = this.options;
    // Some of the documents are not what the others were written to go with.
    if (isFiltered) throw client.error(`key ${this.folder}`, 'permission denied for some or all keys below it');
    const turns = new LoopTurns(clock);
    const documents: RawDocument[] = [];
    for await (const element of elements) {
      const found = readConsulKey(element);
      if (found !== undefined) documents.push({ name: `${client.settings.root}/${found.key}`, text: found.text });
      if (turns.due) await turns.turn();
    }
    // Keys that may not be read are left out of the list, and are none.
    if (documents.length === 0) await client.assertReadable(keyPath(this.folder), `key ${this.folder}`, signal);
    signal.throwIfAborted();
    if (documents.length > 0) {
      this.entries?.close();
      this.entries = undefined;
      this.tell(documents, String(index));
      return;
    }
    if (this.entries !== undefined) {
      this.entries.repeat();
      return;
    }
    this.tellMissing();
    this.entries = new ConsulEntriesWatch(this.options, {
      changed: (document, version) => this.tell(document === undefined ? [] : [document], version),
      failed: (error) => this.failed(error),
    });
  }

  /** Tells once that there is nothing under a prefix that somebody took the trouble to give: it may be misspelt. */
  private tellMissing(): void {
    const { client } = this.options;
    if (!client.settings.isPrefixGiven || this.isMissingTold) return;
    this.isMissingTold = true;
    if (!events.registryError.hasSubscribers) return;
    const error = client.error('documents', `no key below ${this.folder}`);
    events.registryError.publish({ registry: client.settings.name, error });
  }

  private tell(documents: readonly RawDocument[], version: string): void {
    if (this.closed || sameDocuments(this.told, documents)) return;
    this.told = documents;
    if (documents.length === 0) {
      this.sink.absent(version);
      return;
    }
    const verdict = this.sink.set(documents, version);
    const { reports } = this.options;
    if (reports === undefined) return;
    // Reports follow each other as the versions do, however long each was judged.
    this.judging = this.judging.then(async () => reports.report(version, await verdict));
  }

  private failed(error: Error): void {
    if (this.closed) return;
    this.told = undefined;
    this.sink.failed(error);
  }
}

function sameDocuments(before: readonly RawDocument[] | undefined, now: readonly RawDocument[]): boolean {
  return (
    before?.length === now.length &&
    now.every(({ name, text, value }, at) => {
      const former = before[at];
      return former?.name === name && former.text === text && former.value === value;
    })
  );
}
