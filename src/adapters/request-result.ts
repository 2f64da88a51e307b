/**
 * What does `mesh.request` answer with? The shape of `undici.request`; what is rarely read is made when it is.
 */
import type { Reply } from '../core/reply.ts';
import { parsedTrailers } from '../http/trailers.ts';
import { LightBody } from './light-body.ts';

/** The result of `mesh.request`. Any status is a result. */
export class MeshRequestResult {
  readonly statusCode: number;
  readonly statusText: string;
  /** Lower-case names; several values as an array. */
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: LightBody;
  /** What the caller passed as `opaque`, or null. */
  readonly opaque: unknown;
  readonly #reply: Reply;

  constructor(reply: Reply, opaque: unknown) {
    this.statusCode = reply.status;
    this.statusText = reply.statusText;
    this.headers = reply.headers as MeshRequestResult['headers'];
    this.body = new LightBody(reply);
    this.opaque = opaque;
    this.#reply = reply;
  }

  /** The trailers of the reply; empty until its body has ended. */
  get trailers(): Record<string, string> {
    return parsedTrailers(this.#reply.body.rawTrailers);
  }

  /** Empty; undici keeps the history of redirects here, and `mesh.request` follows none. */
  get context(): object {
    return {};
  }
}
