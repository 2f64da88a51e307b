/**
 * What is in a `Request` that was made of a string? A stream, like in any other: the platform does not show the rest.
 * Sent as a stream it has no length, which many servers refuse, and cannot be sent again by a retry or a redirect. So the
 * stream is read ahead for a moment. Made of a string, bytes or a form it ends at once; one that takes its time is a
 * stream to its writer too, and goes on as one.
 */
import type { Clock } from '../core/clock.ts';

/** A body beyond this, in bytes, is a stream: as much as is kept for the retry of one. */
const gatherBytes = 64 * 1024;

/** How long the end is waited for, in ms. A small Blob is read in one or two; what a slow stream waits is not noticed. */
const gatherMs = 10;

type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>;

/** The bytes of `stream` when it ends soon and is small; else a stream of the same. */
export async function gatheredBody(
  stream: ReadableStream<Uint8Array>,
  clock: Clock,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let pending: Promise<Read> = reader.read();
  let isLate = (): void => {};
  const late = new Promise<undefined>((resolve) => {
    isLate = () => resolve(undefined);
  });
  const timer = clock.setTimer(isLate, gatherMs);
  try {
    while (bytes <= gatherBytes) {
      const read = await Promise.race([pending, late]);
      if (read?.done) return Buffer.concat(chunks);
      if (!(read?.value instanceof Uint8Array)) break;
      chunks.push(read.value);
      bytes += read.value.length;
      pending = reader.read();
    }
  } catch {
    // The stream broke; who reads the rest is told.
  } finally {
    clock.clearTimer(timer);
  }
  return new RestOfBody(chunks, pending, reader);
}

/** What was read ahead, and what comes after it. */
class RestOfBody implements AsyncIterableIterator<Uint8Array> {
  private readonly ahead: Uint8Array[];
  private pending: Promise<Read> | undefined;
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(ahead: Uint8Array[], pending: Promise<Read>, reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.ahead = ahead;
    this.pending = pending;
    this.reader = reader;
    // It may break before anybody reads it.
    pending.catch(() => {});
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.ahead.shift();
    if (value !== undefined) return { done: false, value };
    const read = this.pending ?? this.reader.read();
    this.pending = undefined;
    return (await read) as IteratorResult<Uint8Array>;
  }

  /** Nobody wants the rest: the writer is told. */
  async return(): Promise<IteratorResult<Uint8Array>> {
    this.ahead.length = 0;
    await this.reader.cancel();
    return { done: true, value: undefined };
  }
}
