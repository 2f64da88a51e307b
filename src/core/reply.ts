/**
 * What does an attempt answer with? A {@link Reply}: the head, and a body that is consumed once, in the form the
 * caller wants. The promise of an attempt settles at the head; whatever outlasts the head (load, deadline, telemetry)
 * is released in {@link Reply.onEnd}, never in `finally`.
 */
import type { Duplex, Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Outcome } from './outcome.ts';
import type { ParsedHeaders } from './parsed-headers.ts';

/** Takes a body piece by piece. Exactly one of `end` and `error` is called, as the last. */
export interface BodySink {
  /** @returns `false` to be sent no more until {@link ReplyBody.resume}. */
  data(chunk: Uint8Array): boolean;
  end(rawTrailers: readonly Buffer[]): void;
  error(error: unknown): void;
}

/** The body of a reply. One of its readers may be used, once. */
export interface ReplyBody {
  /** Whether a reader was chosen. */
  readonly used: boolean;
  /** Whether all of it has arrived, so that {@link takeChunks} gives it at once. */
  readonly complete: boolean;
  /** How much of it has arrived, in bytes. Silence is told from progress by it. */
  readonly bytesReceived: number;
  /** Alternating names and values; filled when the body is complete. */
  readonly rawTrailers: readonly Buffer[];
  /** All of a complete body, now. */
  takeChunks(): readonly Uint8Array[];
  bytes(): Promise<Buffer>;
  text(): Promise<string>;
  json(): Promise<unknown>;
  stream(): ReadableStream<Uint8Array>;
  readable(): Readable;
  /** Hands the body to `sink` as it arrives, with back-pressure; synchronously as far as it is there. */
  forward(sink: BodySink): void;
  /** After a sink's `data` answered `false`. */
  resume(): void;
  /** Reads the rest of a small body (≤ `limit` bytes, default 128 KiB) to keep its connection; aborts a larger one. */
  dump(limit?: number): Promise<void>;
  /** Gives up on the body: a reader gets `reason`, the connection is closed. */
  destroy(reason?: unknown): void;
}

/** The head of a reply, with its body. */
export interface Reply {
  readonly status: number;
  readonly statusText: string;
  /** Alternating names and values, as received. */
  readonly rawHeaders: readonly Buffer[];
  /** The same, parsed by undici: lower-case names; several values as an array. */
  readonly headers: ParsedHeaders;
  /** The verdict on the head; the final one is handed to {@link onEnd}. */
  readonly outcome: Outcome;
  readonly body: ReplyBody;
  /** The connection, when the server switched protocols. The body ends when it closes. */
  readonly socket?: Duplex | undefined;
  /** Adds a header besides those that the server sent. */
  addHeader(name: string, value: string): void;
  /** Calls back when the body has ended, failed or been given up; at once if it has. */
  onEnd(listener: (final: Outcome) => void): void;
}
