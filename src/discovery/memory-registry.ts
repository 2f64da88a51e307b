/**
 * What if there is no registry? Then the document is given in code, and this stands in for one: it hands out what it
 * was given, and what a program (or a test) changes it to.
 */
import type { Endpoint } from '../core/endpoint.ts';
import type { EndpointChange, RawDocument, Registry, Sink, Verdict, Watch } from './registry.ts';

/** A registry whose content is set by the program. */
export class MemoryRegistry implements Registry {
  readonly name: string;
  /** The program says so. */
  readonly isDeliberate = true;
  private document: unknown;
  private version = 1;
  private readonly endpoints = new Map<string, readonly Endpoint[]>();
  private readonly documentSinks = new Set<Sink<readonly RawDocument[]>>();
  private readonly endpointSinks = new Map<string, Set<Sink<EndpointChange>>>();

  /**
   * @param document the mesh document; without one, the registry says that there is none.
   * @param name of the registry and of its document in error messages.
   */
  constructor(document?: unknown, name = 'inline') {
    this.document = document;
    this.name = name;
  }

  watchDocuments(sink: Sink<readonly RawDocument[]>): Watch {
    return startWatch(sink, this.documentSinks, () => this.emitDocument(sink));
  }

  /** Emits the endpoints given by {@link setEndpoints}; `absent` where there are none. */
  watchEndpoints(service: string, sink: Sink<EndpointChange>): Watch {
    let sinks = this.endpointSinks.get(service);
    if (sinks === undefined) {
      sinks = new Set();
      this.endpointSinks.set(service, sinks);
    }
    return startWatch(sink, sinks, () => this.emitEndpoints(service, sink));
  }

  /**
   * Replaces the document.
   *
   * @returns what became of it: the first refusal, where there is one.
   */
  async setDocument(document: unknown): Promise<Verdict> {
    this.document = document;
    this.version++;
    return firstRefusal([...this.documentSinks].map((sink) => this.emitDocument(sink)));
  }

  /**
   * Replaces the endpoints of a service; `undefined` for a service that is no longer registered.
   *
   * @returns as {@link setDocument}.
   */
  async setEndpoints(service: string, endpoints: readonly Endpoint[] | undefined): Promise<Verdict> {
    if (endpoints === undefined) this.endpoints.delete(service);
    else this.endpoints.set(service, endpoints);
    this.version++;
    const sinks = this.endpointSinks.get(service) ?? [];
    return firstRefusal([...sinks].map((sink) => this.emitEndpoints(service, sink)));
  }

  async close(): Promise<void> {
    this.documentSinks.clear();
    this.endpointSinks.clear();
  }

  private emitDocument(sink: Sink<readonly RawDocument[]>): Verdict | Promise<Verdict> {
    const version = String(this.version);
    if (this.document !== undefined) return sink.set([{ name: this.name, value: this.document }], version);
    sink.absent(version);
    return accepted;
  }

  private emitEndpoints(service: string, sink: Sink<EndpointChange>): Verdict | Promise<Verdict> {
    const version = String(this.version);
    const full = this.endpoints.get(service);
    if (full !== undefined) return sink.set({ full }, version);
    sink.absent(version);
    return accepted;
  }
}

const accepted: Verdict = Object.freeze({ accepted: true });

/** Emits first when the caller has got his watch, as registries on the network do. */
function startWatch<T>(sink: Sink<T>, sinks: Set<Sink<T>>, emit: () => void): Watch {
  sinks.add(sink);
  queueMicrotask(() => {
    if (sinks.has(sink)) emit();
  });
  return { close: () => void sinks.delete(sink) };
}

async function firstRefusal(verdicts: readonly (Verdict | Promise<Verdict>)[]): Promise<Verdict> {
  const all = await Promise.all(verdicts);
  return all.find((verdict) => !verdict.accepted) ?? accepted;
}
