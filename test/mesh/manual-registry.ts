import type { EndpointChange, RawDocument, Registry, Sink, Watch } from '../../src/discovery/registry.ts';

/** A watch that the mesh has opened. */
export interface OpenWatch<T> {
  readonly sink: Sink<T>;
  closed: boolean;
}

/** A registry of documents that tells what a test tells it to, when and as often as that. */
export class ManualRegistry implements Registry {
  readonly name = 'manual';
  readonly documents: OpenWatch<readonly RawDocument[]>[] = [];
  closed = false;

  watchDocuments(sink: Sink<readonly RawDocument[]>): Watch {
    return watchOf(sink, this.documents);
  }

  /** Tells the last watch of documents. */
  tell(document: unknown, version: string) {
    return this.tellRaw({ name: 'manual', value: document }, version);
  }

  tellRaw(document: RawDocument, version: string) {
    return (this.documents.at(-1) as OpenWatch<readonly RawDocument[]>).sink.set([document], version);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** One of endpoints alone. */
export class ManualEndpoints implements Registry {
  readonly name = 'manual';
  readonly isDeliberate = true;
  /** By service, in order. */
  readonly watches = new Map<string, OpenWatch<EndpointChange>[]>();

  watchEndpoints(service: string, sink: Sink<EndpointChange>): Watch {
    const watches = this.watches.get(service) ?? [];
    this.watches.set(service, watches);
    return watchOf(sink, watches);
  }

  /** Of the last watch of `service`. */
  sinkOf(service: string): Sink<EndpointChange> {
    const watches = this.watches.get(service) ?? [];
    return (watches.at(-1) as OpenWatch<EndpointChange>).sink;
  }

  async close(): Promise<void> {}
}

function watchOf<T>(sink: Sink<T>, watches: OpenWatch<T>[]): Watch {
  const watch = { sink, closed: false };
  watches.push(watch);
  return {
    close() {
      watch.closed = true;
    },
  };
}
