import { IncomingBody } from '../../src/http/incoming-body.ts';

/** A body that a test lets arrive, with a record of what was asked of its connection. */
export interface ManualBody {
  readonly body: IncomingBody;
  /** What was asked of the connection, in order: `pause`, `resume`, `abort`. */
  readonly asked: string[];
  /** With what the body ended: an error, or `undefined`; one entry for each time its observer was told. */
  readonly ends: unknown[];
  push(text: string): void;
}

/** @param onResume what the connection does when it may go on, as undici does: it delivers within `resume`. */
export function manualBody(onResume: () => void = () => {}): ManualBody {
  const asked: string[] = [];
  const ends: unknown[] = [];
  const body = new IncomingBody(
    {
      pause: () => void asked.push('pause'),
      resume: () => {
        asked.push('resume');
        onResume();
      },
      abort: () => void asked.push('abort'),
    },
    { bodyEnded: (error) => void ends.push(error) },
  );
  return { body, asked, ends, push: (text) => body.push(Buffer.from(text)) };
}

/** A complete body of these chunks. */
export function completeBody(...chunks: (string | Uint8Array)[]): IncomingBody {
  const { body } = manualBody();
  for (const chunk of chunks) body.push(Buffer.from(chunk as string));
  body.finish();
  return body;
}

/** A sink that takes everything down; `takes` says whether it wants more after a chunk. */
export function recordingSink(takes: (chunk: string) => boolean = () => true) {
  const told: string[] = [];
  return {
    told,
    data(chunk: Uint8Array) {
      told.push(Buffer.from(chunk).toString());
      return takes(Buffer.from(chunk).toString());
    },
    end: (rawTrailers: readonly Buffer[]) => void told.push(`end${rawTrailers.join()}`),
    error: (error: unknown) => void told.push(`error ${(error as Error).message ?? String(error)}`),
  };
}
