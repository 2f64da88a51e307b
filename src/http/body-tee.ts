/**
 * How can a stream be sent a second time? By keeping what the first reader took, up to a bound. Beyond it the stream
 * goes on to its present reader, and cannot be opened again.
 */
import { MeshError } from '../core/errors.ts';

/** A one-shot source that several readers, one after the other or at once, see from its start. */
export class BodyTee {
  private readonly source: AsyncIterable<Uint8Array>;
  private readonly limitBytes: number;
  private iterator: AsyncIterator<Uint8Array> | undefined = undefined;
  private kept: Uint8Array[] = [];
  private keptBytes = 0;
  /** The position in the stream, in chunks, of `kept[0]`. */
  private keptFrom = 0;
  private keeping = true;
  private ended = false;
  private failed = false;
  private error: unknown = undefined;
  private pulling: Promise<void> | undefined = undefined;
  private readonly readers = new Set<Reader>();

  /** @param limitBytes what is kept for later readers; 0 keeps nothing, so that only an untouched source is replayable. */
  constructor(source: AsyncIterable<Uint8Array>, limitBytes: number) {
    this.source = source;
    this.limitBytes = limitBytes;
  }

  /** Whether a new reader would see the stream from its start. */
  get replayable(): boolean {
    return this.keeping && this.keptFrom === 0 && !this.failed;
  }

  /** Whether the source was read to its end. */
  get complete(): boolean {
    return this.ended;
  }

  /** A reader from the start. */
  open(): AsyncIterable<Uint8Array> {
    return this.read();
  }

  /** No further reader will come. */
  release(): void {
    this.keeping = false;
    this.trim();
  }

  /** Nothing more will be read. */
  discard(reason: unknown): void {
    this.keeping = false;
    this.kept = [];
    if (this.ended || this.failed) return;
    this.failed = true;
    this.error = reason;
    // A source that nobody has read is told too: it may hold a file or a connection.
    // A generator that is suspended in an await cannot be stopped; it is left to its own end.
    try {
      this.iterator ??= iteratorOf(this.source);
      this.iterator.return?.()?.then(undefined, () => {});
    } catch {
      // Somebody else has it: a web stream that is locked.
    }
  }

  private async *read(): AsyncGenerator<Uint8Array> {
    const reader: Reader = { position: 0 };
    this.readers.add(reader);
    try {
      for (;;) {
        const chunk = this.kept[reader.position - this.keptFrom];
        if (chunk !== undefined) {
          reader.position++;
          this.trim();
          yield chunk;
        } else if (this.failed) throw this.error;
        else if (this.ended) return;
        else await this.pull();
      }
    } finally {
      this.readers.delete(reader);
    }
  }

  private pull(): Promise<void> {
    this.pulling ??= this.pullOnce().finally(() => {
      this.pulling = undefined;
    });
    return this.pulling;
  }

  private async pullOnce(): Promise<void> {
    this.iterator ??= iteratorOf(this.source);
    try {
      const { done, value } = await this.iterator.next();
      if (done === true) this.ended = true;
      else if (!this.failed) this.keep(typeof value === 'string' ? Buffer.from(value) : value);
    } catch (cause) {
      this.failed = true;
      // The caller's failure, whatever it is: no endpoint is to blame for it.
      const message = `the request body broke: ${(cause as Error | undefined)?.message ?? String(cause)}`;
      this.error = new MeshError('INMESH_ABORTED', message, { cause });
    }
  }

  private keep(chunk: Uint8Array): void {
    this.kept.push(chunk);
    this.keptBytes += chunk.length;
    if (this.keptBytes > this.limitBytes) this.keeping = false;
  }

  /** Drops what every reader has taken, once nobody else will come. */
  private trim(): void {
    if (this.keeping) return;
    let slowest = Number.POSITIVE_INFINITY;
    for (const reader of this.readers) slowest = Math.min(slowest, reader.position);
    const dropped = Math.min(slowest - this.keptFrom, this.kept.length);
    if (dropped <= 0 || !Number.isFinite(slowest)) return;
    this.kept.splice(0, dropped);
    this.keptFrom += dropped;
  }
}

interface Reader {
  position: number;
}

function iteratorOf(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncIterator<Uint8Array> {
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
  const iterator = source[Symbol.iterator]();
  return { next: async () => iterator.next() as IteratorResult<Uint8Array> };
}
