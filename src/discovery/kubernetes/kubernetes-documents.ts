/**
 * Which documents are in the ConfigMaps of a namespace? Each key of their data is one. All of them together are the
 * configuration, so all are told whenever one changes.
 */

import type { RawDocument, Sink } from '../registry.ts';
import type { ObjectSink } from './kubernetes-watch.ts';

/** The data of a ConfigMap. */
export type ConfigMapData = Readonly<Record<string, string>>;

/** Reads the data of a ConfigMap as the server sent it. */
export function readConfigMap(object: unknown): ConfigMapData {
  const { data } = (object ?? {}) as { data?: unknown };
  if (typeof data !== 'object' || data === null) return {};
  return Object.fromEntries(Object.entries(data).filter(([, text]) => typeof text === 'string'));
}

/** Tells a sink the documents of one namespace. */
export class KubernetesDocuments implements ObjectSink<ConfigMapData> {
  private readonly namespace: string;
  private readonly sink: Sink<readonly RawDocument[]>;
  private configMaps = new Map<string, ConfigMapData>();
  /** What was told last, as JSON; undefined before the first, and after an error. */
  private told: string | undefined;

  constructor(namespace: string, sink: Sink<readonly RawDocument[]>) {
    this.namespace = namespace;
    this.sink = sink;
  }

  async listed(objects: ReadonlyMap<string, ConfigMapData>, version: string): Promise<void> {
    this.configMaps = new Map(objects);
    this.tell(version);
  }

  changed(name: string, data: ConfigMapData | undefined, version: string): void {
    if (data === undefined) this.configMaps.delete(name);
    else this.configMaps.set(name, data);
    this.tell(version);
  }

  resumed(version: string): void {
    this.tell(version);
  }

  failed(error: Error): void {
    this.told = undefined;
    this.sink.failed(error);
  }

  private tell(version: string): void {
    const documents = this.documents();
    // Much of a ConfigMap may change without its data: annotations, managed fields.
    const told = JSON.stringify(documents);
    if (told === this.told) return;
    this.told = told;
    if (documents.length === 0) this.sink.absent(version);
    else void this.sink.set(documents, version);
  }

  private documents(): readonly RawDocument[] {
    const names = [...this.configMaps.keys()].sort();
    return names.flatMap((name) => {
      const data = this.configMaps.get(name) ?? {};
      const keys = Object.keys(data).sort();
      return keys.map((key) => ({ name: `kubernetes:${this.namespace}/${name}/${key}`, text: data[key] as string }));
    });
  }
}
