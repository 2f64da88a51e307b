/**
 * Which documents are in force? All under `<prefix>/documents/`, told together whenever one of them changes: a part of
 * the documents is not the mesh.
 */

import type { RawDocument, Sink } from '../registry.ts';
import type { EtcdReporter } from './etcd-reporter.ts';
import type { PrefixSink } from './etcd-watch.ts';
import type { KeyChange, KeyValue } from './etcd-wire.ts';

/** The prefix of documents. */
export function documentsPrefix(prefix: string): string {
  return `${prefix}/documents/`;
}

/** How documents are told. */
export interface EtcdDocumentsOptions {
  /** What stands before a key in the name of its document: `etcd://127.0.0.1:2379/`. */
  readonly origin: string;
  /** Where the verdict goes; undefined for a tool. */
  readonly reporter: EtcdReporter | undefined;
  readonly sink: Sink<readonly RawDocument[]>;
}

/** Tells the documents. */
export class EtcdDocuments implements PrefixSink {
  private readonly options: EtcdDocumentsOptions;
  /** By key. */
  private documents = new Map<string, string>();
  /** Of the last change; of a deletion, when it was seen. */
  private revision = 0;

  constructor(options: EtcdDocumentsOptions) {
    this.options = options;
  }

  async full(keys: readonly KeyValue[], revision: number): Promise<void> {
    this.documents = new Map(keys.map(({ key, value }) => [key, value]));
    this.revision = keys.length === 0 ? revision : Math.max(...keys.map((found) => found.revision));
    this.tell();
  }

  async read(changes: readonly KeyChange[]): Promise<(revision: number) => void> {
    return (revision) => {
      for (const { key, value } of changes) {
        if (value === undefined) this.documents.delete(key);
        else this.documents.set(key, value);
      }
      this.revision = revision;
      this.tell();
    };
  }

  again(): void {
    this.tell();
  }

  failed(error: Error): void {
    this.options.sink.failed(error);
  }

  private tell(): void {
    const { origin, reporter, sink } = this.options;
    const version = String(this.revision);
    if (this.documents.size === 0) {
      sink.absent(version);
      return;
    }
    const names = [...this.documents.keys()].sort();
    const documents = names.map((key) => ({ name: `${origin}${key}`, text: this.documents.get(key) as string }));
    const verdict = sink.set(documents, version);
    reporter?.follow(version, verdict);
  }
}
