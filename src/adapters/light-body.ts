/**
 * What is `body` of `mesh.request`? The readers of undici's body without the stream underneath: a `Readable` costs
 * about 7 µs and is made only by {@link LightBody.readable} or by iterating.
 */
import type { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Reply } from '../core/reply.ts';

/** A reply body that is read once. */
export class LightBody implements AsyncIterable<Uint8Array> {
  readonly #reply: Reply;

  constructor(reply: Reply) {
    this.#reply = reply;
  }

  /** Whether a reader was chosen. */
  get bodyUsed(): boolean {
    return this.#reply.body.used;
  }

  /** Decodes UTF-8; a byte order mark is left out. */
  text(): Promise<string> {
    return this.#reply.body.text();
  }

  json(): Promise<unknown> {
    return this.#reply.body.json();
  }

  bytes(): Promise<Buffer> {
    return this.#reply.body.bytes();
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return new Uint8Array(await this.#reply.body.bytes()).buffer;
  }

  async blob(): Promise<Blob> {
    const bytes = new Uint8Array(await this.#reply.body.bytes());
    const type = this.#reply.headers['content-type'];
    return new Blob([bytes], typeof type === 'string' ? { type } : undefined);
  }

  /** A web stream. */
  get body(): ReadableStream<Uint8Array> {
    return this.#reply.body.stream();
  }

  /** A Node stream. */
  readable(): Readable {
    return this.#reply.body.readable();
  }

  /** Reads the rest and forgets it, up to `limit` bytes (default 128 KiB); beyond it the connection is closed. */
  dump(options?: { limit?: number }): Promise<void> {
    return this.#reply.body.dump(options?.limit);
  }

  /** Gives up on the body; its connection is closed. */
  destroy(reason?: unknown): void {
    this.#reply.body.destroy(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.readable()[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }
}
