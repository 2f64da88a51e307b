/**
 * How is a compressed reply read? `mesh.fetch` decodes gzip, deflate, br and zstd as fetch does; `mesh.request` and the
 * dispatcher hand the bytes on as they came.
 */

import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';
import type { ReplyBody } from '../core/reply.ts';
import { IncomingBody } from './incoming-body.ts';

/** What the mesh asks for when the caller does not say. */
export const acceptedEncodings = 'gzip, deflate, br, zstd';

/** More codings on one reply than this are an attack (as in curl and undici). */
const maxCodings = 5;

/**
 * The body with its content codings undone; `body` itself when there are none, or when one is not known.
 *
 * @param contentEncoding the header, outermost coding last.
 */
export function decodedBody(body: ReplyBody, contentEncoding: string): ReplyBody {
  const codings = contentEncoding
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim());
  if (codings.length > maxCodings || !codings.every((coding) => coding in decoders)) return body;
  return codings.reduceRight<ReplyBody>((inner, coding) => pipe(inner, decoders[coding] as () => Transform), body);
}

// A reply that ends early is decoded as far as it goes, as browsers do.
const lenient = { finishFlush: 2 /* Z_SYNC_FLUSH */ };
const decoders: Record<string, () => Transform> = Object.assign(Object.create(null), {
  gzip: () => createGunzip(lenient),
  'x-gzip': () => createGunzip(lenient),
  deflate: () => createInflate(lenient),
  'deflate-raw': () => createInflateRaw(lenient),
  br: () => createBrotliDecompress(),
  zstd: () => createZstdDecompress(),
});

function pipe(inner: ReplyBody, makeDecoder: () => Transform): ReplyBody {
  let decoder: Transform | undefined;
  const outer = new IncomingBody(
    {
      pause: () => void decoder?.pause(),
      resume: () => void decoder?.resume(),
      abort(reason) {
        decoder?.destroy();
        inner.destroy(reason);
      },
    },
    { bodyEnded() {} },
  );
  const start = (first: Uint8Array) => {
    // Servers send raw deflate under the same name; the first byte of a zlib stream tells (RFC 1950: CM is 8).
    const raw = makeDecoder === decoders.deflate && ((first[0] as number) & 0x0f) !== 8;
    decoder = (raw ? (decoders['deflate-raw'] as () => Transform) : makeDecoder)();
    decoder.on('data', (chunk: Buffer) => outer.push(chunk));
    decoder.on('end', () => outer.finish());
    decoder.on('drain', () => inner.resume());
    decoder.on('error', (error) => {
      inner.destroy(error);
      outer.fail(new TypeError('terminated', { cause: error }));
    });
    return decoder;
  };
  inner.forward({
    data: (chunk) => chunk.length === 0 || (decoder ?? start(chunk)).write(chunk),
    end() {
      if (decoder === undefined) outer.finish();
      else decoder.end();
    },
    error(error) {
      decoder?.destroy();
      outer.fail(error);
    },
  });
  return outer;
}
