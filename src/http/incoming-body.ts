/**
 * How does a reply body get from undici to a reader that may come later, in any of six forms, or never? It is kept in
 * chunks until a reader is chosen, up to a bound beyond which the connection is paused; then it flows straight through.
 */
import type { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { MeshError } from '../core/errors.ts';
import type { BodySink, ReplyBody } from '../core/reply.ts';
import { bodyReadable, bodyStream } from './body-readers.ts';

/** What drives the body: undici's controller, or the fake transport of a simulation. */
export interface BodyControl {
  pause(): void;
  resume(): void;
  /** Gives up; the body is then failed with `reason`. */
  abort(reason: unknown): void;
}

/** Told once when a body has ended: with an error, or without. */
export interface BodyObserver {
  bodyEnded(error: unknown): void;
}

/** Without a reader the connection is paused beyond this; undici's Readable has the same order of magnitude. */
const highWaterBytes = 64 * 1024;

/** A body up to this is read to its end rather than aborted: cheaper than a new connection. */
const defaultDumpBytes = 128 * 1024;

const noChunks: readonly Uint8Array[] = Object.freeze([]);
const noTrailers: readonly Buffer[] = Object.freeze([]);

/** A reply body as it arrives. The transport calls `push`, `finish` and `fail`; a reader everything else. */
export class IncomingBody implements ReplyBody {
  used = false;
  complete = false;
  bytesReceived = 0;
  rawTrailers: readonly Buffer[] = noTrailers;
  private chunks: Uint8Array[] | undefined = undefined;
  private bufferedBytes = 0;
  private sink: BodySink | undefined = undefined;
  private sinkPaused = false;
  private controlPaused = false;
  private flushing = false;
  private failed = false;
  private error: unknown = undefined;
  private readonly control: BodyControl;
  private readonly observer: BodyObserver;

  constructor(control: BodyControl, observer: BodyObserver) {
    this.control = control;
    this.observer = observer;
  }

  /** A chunk has arrived. */
  push(chunk: Uint8Array): void {
    if (this.complete || this.failed) return;
    this.bytesReceived += chunk.length;
    if (this.sink !== undefined && !this.sinkPaused && this.chunks === undefined && !this.flushing) {
      if (!this.sink.data(chunk)) this.pauseSink();
      return;
    }
    if (this.chunks === undefined) this.chunks = [chunk];
    else this.chunks.push(chunk);
    this.bufferedBytes += chunk.length;
    if (this.bufferedBytes > highWaterBytes) this.pauseControl();
  }

  /** Everything has arrived. */
  finish(rawTrailers: readonly Buffer[] = noTrailers): void {
    if (this.complete || this.failed) return;
    this.complete = true;
    this.rawTrailers = rawTrailers;
    this.observer.bodyEnded(undefined);
    if (this.sink !== undefined) this.flush();
  }

  /** Nothing more will arrive. A reader that comes later gets `error` too; what was buffered is dropped. */
  fail(error: unknown): void {
    if (this.complete || this.failed) return;
    this.failed = true;
    this.error = error;
    this.chunks = undefined;
    this.observer.bodyEnded(error);
    this.sink?.error(error);
  }

  takeChunks(): readonly Uint8Array[] {
    this.use();
    const chunks = this.chunks ?? noChunks;
    this.chunks = undefined;
    return chunks;
  }

  bytes(): Promise<Buffer> {
    return this.read(asIs);
  }

  text(): Promise<string> {
    return this.read(decodeUtf8);
  }

  json(): Promise<unknown> {
    return this.read(parseJson);
  }

  stream(): ReadableStream<Uint8Array> {
    return bodyStream(this);
  }

  readable(): Readable {
    return bodyReadable(this);
  }

  forward(sink: BodySink): void {
    this.use();
    if (this.failed) sink.error(this.error);
    else {
      this.sink = sink;
      this.flush();
    }
  }

  resume(): void {
    this.sinkPaused = false;
    this.flush();
  }

  async dump(limit = defaultDumpBytes): Promise<void> {
    if (this.used) return;
    const stopIfLarge = () => {
      if (this.bytesReceived <= limit || this.complete) return;
      this.destroy(new MeshError('INMESH_ABORTED', `a discarded body exceeds ${limit} bytes`));
    };
    stopIfLarge();
    return new Promise((resolve) => {
      this.forward({
        data: () => {
          stopIfLarge();
          return true;
        },
        end: () => resolve(),
        error: () => resolve(),
      });
    });
  }

  destroy(reason: unknown = new MeshError('INMESH_ABORTED', 'the reply body was given up')): void {
    if (this.complete) {
      this.drop(reason);
      return;
    }
    // First here, so that a reader gets this very reason and not what the connection makes of it.
    const open = !this.failed;
    this.fail(reason);
    if (open) this.control.abort(reason);
  }

  /** Everything has arrived, so the connection is free; but a reader that has not taken it all must not miss its loss. */
  private drop(reason: unknown): void {
    if (this.failed || (this.used && this.sink === undefined)) return;
    this.failed = true;
    this.error = reason;
    this.chunks = undefined;
    this.sink?.error(reason);
  }

  /** Most replies are complete when they are read; those need no async function. */
  private read<T>(form: (bytes: Buffer) => T): Promise<T> {
    if (!this.complete || this.failed) return this.collect().then((chunks) => form(joined(chunks)));
    try {
      return Promise.resolve(form(joined(this.takeChunks())));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private collect(): Promise<Uint8Array[]> {
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = [];
      this.forward({
        data: (chunk) => {
          chunks.push(chunk);
          return true;
        },
        end: () => resolve(chunks),
        error: reject,
      });
    });
  }

  private use(): void {
    if (this.used) throw new MeshError('INMESH_BODY_USED', 'the reply body was read already');
    this.used = true;
  }

  private flush(): void {
    const sink = this.sink;
    if (sink === undefined || this.flushing || this.failed) return;
    this.flushing = true;
    while (!this.sinkPaused && this.chunks !== undefined) {
      const chunks: Uint8Array[] = this.chunks;
      this.chunks = undefined;
      this.bufferedBytes = 0;
      for (let index = 0; index < chunks.length; index++) {
        if (this.failed) break;
        if (sink.data(chunks[index] as Uint8Array)) continue;
        this.sinkPaused = true;
        this.keep(chunks, index + 1);
        break;
      }
    }
    this.flushing = false;
    if (this.failed) return;
    if (this.sinkPaused) this.pauseControl();
    else if (this.complete) {
      this.sink = undefined;
      sink.end(this.rawTrailers);
    } else this.resumeControl();
  }

  private keep(chunks: Uint8Array[], from: number): void {
    const rest = chunks.slice(from);
    if (this.chunks !== undefined) rest.push(...(this.chunks as Uint8Array[]));
    this.chunks = rest.length === 0 ? undefined : rest;
    this.bufferedBytes = rest.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  private pauseSink(): void {
    this.sinkPaused = true;
    this.pauseControl();
  }

  private pauseControl(): void {
    if (this.controlPaused || this.complete) return;
    this.controlPaused = true;
    this.control.pause();
  }

  private resumeControl(): void {
    if (!this.controlPaused) return;
    this.controlPaused = false;
    this.control.resume();
  }
}

function joined(chunks: readonly Uint8Array[]): Buffer {
  return chunks.length === 1 ? asBuffer(chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

const asIs = (bytes: Buffer): Buffer => bytes;
const parseJson = (bytes: Buffer): unknown => JSON.parse(decodeUtf8(bytes));

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** UTF-8 with the byte order mark left out, as the Encoding standard's "UTF-8 decode". */
export function decodeUtf8(bytes: Buffer): string {
  const start = bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  return bytes.toString('utf8', start);
}
