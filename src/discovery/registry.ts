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

/** A source of endpoints, of documents, or of both. */
export interface Registry {
  /** For people, without secrets: `file:./mesh.yaml`. */
  readonly name: string;
  watchDocuments?(sink: Sink<readonly RawDocument[]>): Watch;
  watchEndpoints?(service: string, sink: Sink<EndpointChange>): Watch;
  register?(service: string, endpoint: Endpoint): Promise<{ deregister(): Promise<void> }>;
  /** Ends every watch. */
  close(): Promise<void>;
}
