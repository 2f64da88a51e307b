/**
 * What does `mesh.request` answer with for a host that is not of the mesh (ALLOW_ANY)? With the same result as ever: the
 * answer of undici becomes a reply here.
 */
import type { Dispatcher } from 'undici';
import { success } from '../core/outcome.ts';
import type { Reply } from '../core/reply.ts';
import { IncomingReply } from '../http/incoming-reply.ts';

/** `response` as a reply, its body with back-pressure. */
export function passedReply(response: Dispatcher.ResponseData): Reply {
  const { statusCode, statusText, headers, body } = response;
  const reply = new IncomingReply(statusCode, statusText, headers, undefined, success, {
    pause: () => void body.pause(),
    resume: () => void body.resume(),
    abort: (reason) => void body.destroy(reason as Error),
  });
  body.on('data', (chunk: Buffer) => reply.body.push(chunk));
  body.on('end', () => reply.body.finish(rawTrailers(response.trailers)));
  body.on('error', (error) => reply.body.fail(error));
  return reply;
}

function rawTrailers(trailers: Record<string, string>): Buffer[] {
  return Object.entries(trailers)
    .flat()
    .map((text) => Buffer.from(text, 'latin1'));
}
