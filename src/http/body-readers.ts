/**
 * How is a reply body handed to code that wants a stream? Both kinds are made only when asked for: a `Readable` costs
 * about 7 µs and a web stream more, which is a good part of a whole call.
 */
import { Readable } from 'node:stream';
import { type ReadableByteStreamController, ReadableStream, type UnderlyingByteSource } from 'node:stream/web';
import type { ReplyBody } from '../core/reply.ts';

/**
 * A web stream of bytes over `body`, with back-pressure; cancelling it gives the body up.
 *
 * @param errorOf what the reader is to see of an error of the body.
 */
export function bodyStream(
  body: ReplyBody,
  errorOf: (error: unknown) => unknown = (error) => error,
): ReadableStream<Uint8Array> {
  let ended = false;
  const source: UnderlyingByteSource = {
    type: 'bytes',
    start(controller: ReadableByteStreamController) {
      body.forward({
        data(chunk) {
          // A byte stream takes the buffer over, and ours is a slice of one that is shared.
          if (chunk.length > 0) controller.enqueue(new Uint8Array(chunk));
          // The stream asks again once it has been given something, and only then.
          return chunk.length === 0;
        },
        end() {
          if (ended) return;
          ended = true;
          controller.close();
          controller.byobRequest?.respond(0);
        },
        error(error) {
          if (ended) return;
          ended = true;
          controller.error(errorOf(error));
        },
      });
    },
    pull() {
      if (!ended) body.resume();
    },
    cancel(reason) {
      ended = true;
      body.destroy(reason);
    },
  };
  return new ReadableStream(source, { highWaterMark: 0 }) as ReadableStream<Uint8Array>;
}

/** A Node stream over `body`, with back-pressure; destroying it gives the body up. */
export function bodyReadable(body: ReplyBody): Readable {
  let ended = false;
  const readable = new Readable({
    read() {
      if (!ended) body.resume();
    },
    destroy(error, callback) {
      if (!ended) body.destroy(error ?? undefined);
      callback(error);
    },
  });
  body.forward({
    data: (chunk) => readable.push(chunk),
    end() {
      ended = true;
      readable.push(null);
    },
    error(error) {
      ended = true;
      readable.destroy(error as Error);
    },
  });
  return readable;
}
