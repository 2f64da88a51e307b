import type { BodySink } from '../core/reply.ts';
import { IncomingBody } from './incoming-body.ts';

/** A body whose chunks others read too: whoever reads gets chunks of his own, which he may change or hand on. */
export class SharedBody extends IncomingBody {
  override takeChunks(): readonly Uint8Array[] {
    return super.takeChunks().map(copyOf);
  }

  override forward(sink: BodySink): void {
    super.forward({
      data: (chunk) => sink.data(copyOf(chunk)),
      end: (rawTrailers) => sink.end(rawTrailers),
      error: (error) => sink.error(error),
    });
  }
}

function copyOf(chunk: Uint8Array): Uint8Array {
  return Buffer.from(chunk);
}
