/**
 * Is this what the caller expects? The `integrity` of a request lists digests (W3C Subresource Integrity): one of the
 * strongest algorithm among them must be that of the body. So the whole body is read before the caller gets any of it.
 */
import { createHash } from 'node:crypto';
import { MeshError } from '../core/errors.ts';
import type { ReplyBody } from '../core/reply.ts';
import { madeReply } from '../http/reply-of.ts';

/** Weakest first. */
const algorithms = ['sha256', 'sha384', 'sha512'];

const item = /^(sha256|sha384|sha512)-([A-Za-z0-9+/_-]+={0,2})(?:\?.*)?$/;

/** The digests of the strongest algorithm in `integrity`; `undefined` when none can be read, which allows any body. */
function strongest(integrity: string): { algorithm: string; digests: Buffer[] } | undefined {
  let best: { algorithm: string; digests: Buffer[] } | undefined;
  for (const text of integrity.split(/[\t\n\f\r ]+/)) {
    const [, algorithm, digest] = item.exec(text) ?? [];
    if (algorithm === undefined || digest === undefined) continue;
    const rank = algorithms.indexOf(algorithm) - algorithms.indexOf(best?.algorithm ?? '');
    if (best === undefined || rank > 0) best = { algorithm, digests: [] };
    // Buffer reads both alphabets of base64, with and without padding.
    if (rank >= 0) best.digests.push(Buffer.from(digest, 'base64'));
  }
  return best;
}

/**
 * `body`, read and found to be what `integrity` says.
 *
 * @param body decoded; `null` for none, which has no integrity (Fetch, "main fetch").
 * Rejects with `INMESH_INTEGRITY`, or with what the body fails with.
 */
export async function verifiedBody(body: ReplyBody | null, integrity: string): Promise<ReplyBody | null> {
  const expected = strongest(integrity);
  if (expected === undefined) return body;
  const { algorithm, digests } = expected;
  const bytes = await body?.bytes();
  const digest = bytes && createHash(algorithm).update(bytes).digest();
  if (bytes === undefined || digest === undefined || !digests.some((one) => one.equals(digest))) {
    const found = digest === undefined ? 'there is no body' : `the body has ${algorithm}-${digest.toString('base64')}`;
    throw new MeshError('INMESH_INTEGRITY', `integrity is ${integrity}; ${found}`);
  }
  return madeReply(200, {}, bytes).body;
}
