/**
 * Did the server state that it did not process the request? Only two things say so (RFC 9113, 8.7): a stream reset
 * with REFUSED_STREAM, and a GOAWAY whose last stream is below ours. Both make a retry safe for every method.
 *
 * undici reports the second as an error of its own, to exactly the streams above the last one.
 */

/** RFC 9113, section 7. */
const refusedStreamCode = 7;
const goAway = /^HTTP\/2: "GOAWAY" frame received/;
const refusedStream = /NGHTTP2_REFUSED_STREAM/;

/** Whether `error`, which came before any head, says that the request was not processed. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, http2ErrorCode } = error as { code?: unknown; http2ErrorCode?: unknown };
  if (http2ErrorCode === refusedStreamCode) return true;
  return goAway.test(error.message) || (code === 'ERR_HTTP2_STREAM_ERROR' && refusedStream.test(error.message));
}

/** What undici sends a second time by itself after REFUSED_STREAM and GOAWAY. */
type Rewindable = string | Uint8Array | Blob | null;

/** Whether undici can send `body` again from its start. */
export function isRewindable(body: unknown): body is Rewindable {
  return body === null || typeof body === 'string' || body instanceof Uint8Array || body instanceof Blob;
}

/**
 * `body` as one that undici cannot rewind. For a request that is not idempotent it is the retry filter that decides on
 * sending it again; so undici is given such a body, and reports the refusal instead.
 */
export async function* sentOnce(body: Rewindable): AsyncGenerator<Uint8Array> {
  if (body instanceof Blob) yield* body.stream();
  else if (body !== null) yield typeof body === 'string' ? Buffer.from(body) : body;
}
