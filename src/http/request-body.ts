/**
 * Which request bodies can be sent again? Strings, bytes, blobs and factories always. A stream while nobody has read
 * from it; and when the call is idempotent, as long as what was read fits in a bounded buffer.
 */
import { Readable } from 'node:stream';
import type { BodySource, ReplayableBody } from '../core/call.ts';
import { MeshError } from '../core/errors.ts';
import { BodyTee } from './body-tee.ts';
import { isFormData, multipartBlob } from './multipart.ts';

/** A request body in any form that `mesh.request` takes. A function is asked for a new body at each attempt. */
export type BodyInput =
  | string
  | Uint8Array
  | ArrayBuffer
  | Readable
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>
  | Blob
  | FormData
  | (() => BodyInput)
  | null
  | undefined;

/** How much of a stream is kept for a second attempt, in bytes. */
const teeLimitBytes = 64 * 1024;

/**
 * Wraps a body.
 *
 * @param idempotent whether the call may be sent twice; only then a stream is kept while it is read.
 * @throws MeshError `INMESH_REQUEST` for something that is no body.
 */
export function replayableBody(input: BodyInput, idempotent: boolean): ReplayableBody | null {
  if (input === null || input === undefined) return null;
  if (typeof input === 'string') return new KeptBody(input, Buffer.byteLength(input));
  if (ArrayBuffer.isView(input)) return new KeptBody(input as Uint8Array, input.byteLength);
  if (input instanceof ArrayBuffer) return new KeptBody(new Uint8Array(input), input.byteLength);
  if (typeof input === 'function') return new FactoryBody(input);
  if (input instanceof Blob) return new KeptBody(input as unknown as BodySource, input.size);
  if (isFormData(input)) return replayableBody(multipartBlob(input), idempotent);
  if (typeof input === 'object' && isIterable(input)) return new StreamBody(input, idempotent);
  throw new MeshError(
    'INMESH_REQUEST',
    'the body must be a string, bytes, a Blob, FormData, a stream, an iterable of bytes, or a function that makes one',
  );
}

/** Frees the source of a body that will not be sent, because its request was refused. */
export function discardInput(input: BodyInput, reason: unknown): void {
  if (typeof input !== 'object' || input === null || !isIterable(input)) return;
  if (!ArrayBuffer.isView(input) && !isFormData(input)) new StreamBody(input, false).discard(reason);
}

function isIterable(input: object): input is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in input || Symbol.iterator in input;
}

/** A body that stays as it is. */
class KeptBody implements ReplayableBody {
  readonly replayable = true;
  readonly length: number | undefined;
  private readonly source: BodySource;

  constructor(source: BodySource, length: number | undefined) {
    this.source = source;
    this.length = length;
  }

  open(): BodySource {
    return this.source;
  }

  release(): void {}
  discard(): void {}
}

/** A function that makes a new body for each attempt. */
class FactoryBody implements ReplayableBody {
  readonly replayable = true;
  readonly length = undefined;
  private readonly make: () => BodyInput;
  private current: ReplayableBody | null = null;

  constructor(make: () => BodyInput) {
    this.make = make;
  }

  open(): BodySource {
    this.current?.discard(new MeshError('INMESH_ABORTED', 'the attempt that read this body is over'));
    this.current = replayableBody(this.make(), false);
    return this.current?.open() ?? '';
  }

  release(): void {}

  discard(reason: unknown): void {
    this.current?.discard(reason);
  }
}

/** A stream or an iterable that can be read once. */
class StreamBody implements ReplayableBody {
  readonly length = undefined;
  private readonly source: AsyncIterable<Uint8Array>;
  private readonly tee: BodyTee;
  private readonly onError = () => {};

  constructor(source: AsyncIterable<Uint8Array>, idempotent: boolean) {
    this.source = source;
    this.tee = new BodyTee(source, idempotent ? teeLimitBytes : 0);
    // A stream that breaks while the call waits (in a queue, in a backoff) must not bring the process down; whoever
    // reads it next is told.
    if (source instanceof Readable) source.on('error', this.onError);
  }

  get replayable(): boolean {
    // A stream destroys itself at its end; what was read of it is still there.
    const broken = this.source instanceof Readable && this.source.destroyed && !this.tee.complete;
    return this.tee.replayable && !broken;
  }

  open(): BodySource {
    return this.tee.open();
  }

  release(): void {
    this.tee.release();
  }

  discard(reason: unknown): void {
    this.tee.discard(reason);
    if (!(this.source instanceof Readable)) return;
    if (!this.source.readableEnded) this.source.destroy();
  }
}
