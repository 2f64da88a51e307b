/**
 * How does an answer that no server gave become a reply? A fallback and a mock answer with a `Response`, or with a
 * value that is sent as JSON; adapters then treat it as any other reply.
 */
import { success } from '../core/outcome.ts';
import type { ParsedHeaders } from '../core/parsed-headers.ts';
import type { Reply } from '../core/reply.ts';
import { IncomingReply } from './incoming-reply.ts';

const noControl = { pause() {}, resume() {}, abort() {} };

/** A complete reply with what `answer` says: a `Response`, or any value for JSON. */
export async function replyOf(answer: unknown): Promise<Reply> {
  const response = answer instanceof Response ? answer : Response.json(answer ?? null);
  const bytes = Buffer.from(await response.arrayBuffer());
  return madeReply(response.status, parsedHeadersOf(response), bytes, response.statusText);
}

/** The headers of a `Response` as undici parses those of a server. */
export function parsedHeadersOf({ headers }: Response): ParsedHeaders {
  const parsed: Record<string, string | string[]> = Object.fromEntries(headers);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) parsed['set-cookie'] = cookies;
  return parsed;
}

/** A complete reply of these parts. */
export function madeReply(status: number, headers: ParsedHeaders, bytes: Uint8Array, statusText = ''): Reply {
  const reply = new IncomingReply(status, statusText, headers, undefined, success, noControl);
  if (bytes.length > 0) reply.body.push(bytes);
  reply.body.finish();
  return reply;
}
