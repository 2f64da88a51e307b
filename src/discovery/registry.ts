/**
 * What is a registry? Where endpoints and configuration come from. A driver emits *raw* documents and endpoints; the
 * sink answers with a verdict, so that a driver can report a refused version where its server can hold that (NACK).
 */
import type { Endpoint } from '../core/endpoint.ts';

/** A change of the endpoints of one service. Keys are those of `endpointKey`. */
export type EndpointChange =
  | { readonly full: readonly Endpoint[] }
  | { readonly put: readonly Endpoint[]; readonly removed: readonly string[] };

/** Whether what was emitted is in force now. When not, the last good version still is. */
export type Verdict = { readonly accepted: true } | { readonly accepted: false; readonly problems: readonly string[] };

/** Takes what a watch emits. Calls after {@link Watch.close} are ignored. */
export interface Sink<T> {
  /**
   * The value is now this. `version` is for people, and for telling changes apart. The verdict is a promise where
   * judging takes another thread (large documents); it never rejects.
   */
  set(value: T, version: string): Verdict | Promise<Verdict>;
  /** The registry answers, and has no such thing. */
  absent(version: string): void;
  /** The registry does not answer, or not sensibly. Whatever was set stays in force. */
  failed(error: Error): void;
}

/** A configuration document as a driver found it: the text of a file, or a value that is parsed already. */
export interface RawDocument {
  /** A file name or a key, for error messages. */
  readonly name: string;
  readonly text?: string;
  readonly value?: unknown;
}

/** A running watch. It does not keep the process alive. */
export interface Watch {
  close(): void;
}

/** How a registry may find out by itself whether what was registered is well. */
export interface HealthCheck {
  /** A path that answers 2xx while the endpoint is well, asked for by the registry where it can (Consul). */
  readonly path: string;
  /** How often, in ms. Default 10,000. */
  readonly intervalMs?: number;
  /** How long an answer may take, in ms. Default 2,000. */
  readonly timeoutMs?: number;
}

/** Something that is registered. It is kept so (leases, checks, a registry that forgot) until it is deregistered. */
export interface Registration {
  /** Announces that the endpoint goes, then takes it out. Later calls do nothing; it rejects when the registry does not answer. */
  deregister(): Promise<void>;
}

/** A source of endpoints, of documents, or of both. */
export interface Registry {
  /** For people, without secrets: `file:./mesh.yaml`. */
  readonly name: string;
  /** Whether whatever it tells is meant, so that nothing that vanishes from it is held. Default false. */
  readonly isDeliberate?: boolean;
  /** Where documents can be written; undefined for a registry that is only read. */
  readonly store?: DocumentStore;
  watchDocuments?(sink: Sink<readonly RawDocument[]>): Watch;
  watchEndpoints?(service: string, sink: Sink<EndpointChange>): Watch;
  /** Resolves when the endpoint is registered for the first time. */
  register?(service: string, endpoint: Endpoint, health?: HealthCheck): Promise<Registration>;
  /** Ends every watch. What is registered is left to whoever registered it. */
  close(): Promise<void>;
}

/** A document as a registry stores it. */
export interface StoredDocument {
  readonly name: string;
  /** YAML or JSON. */
  readonly text: string;
  /** Of the registry; another one after each change. */
  readonly version: string;
}

/** What a document was. */
export interface FormerDocument extends StoredDocument {
  /** When it was replaced or deleted, in ms since the epoch. */
  readonly replacedAt: number;
}

/** What a process that watches says of the documents (NACK). */
export interface WatcherReport {
  /** Who: the name of the service and something that tells its processes apart. */
  readonly watcher: string;
  /** The version that it runs on; undefined before the first that was good. */
  readonly version: string | undefined;
  /** The version that it refused; undefined when the last one is in force. */
  readonly refused: string | undefined;
  /** Why. */
  readonly problems: readonly string[];
  /** When it said so, in ms since the epoch. */
  readonly reportedAt: number;
}

/** Where documents are written: by compare and swap, with what they were kept for a rollback. */
export interface DocumentStore {
  /** The documents in force, by name. */
  list(): Promise<readonly StoredDocument[]>;
  /**
   * Writes `text`, or deletes the document when it is undefined, and keeps what was there: the last 20 versions.
   *
   * @param expected the version that is there; undefined when there must be none.
   * @returns the new version; undefined after a deletion.
   * @throws MeshError `INMESH_CONFLICT` when another version is there, and nothing was written.
   */
  write(name: string, text: string | undefined, expected: string | undefined): Promise<string | undefined>;
  /** What it was, newest first. */
  history(name: string): Promise<readonly FormerDocument[]>;
  /** What those say who watch; undefined where the registry cannot hold that. */
  reports?(): Promise<readonly WatcherReport[]>;
}
