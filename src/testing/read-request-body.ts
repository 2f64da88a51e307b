import type { BodySource } from '../core/call.ts';

const nothing = Buffer.alloc(0);

/** All of a request body, as a server receives it: at once where it is in memory, so that time need not move. */
export function readRequestBody(source: BodySource | null): Buffer | Promise<Buffer> {
  if (source === null) return nothing;
  if (typeof source === 'string') return Buffer.from(source);
  if (source instanceof Uint8Array) return Buffer.from(source);
  return Symbol.asyncIterator in source ? collect(source) : ofPlatform(source);
}

async function collect(source: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** A Blob or FormData, which undici takes too. */
async function ofPlatform(source: unknown): Promise<Buffer> {
  return Buffer.from(await new Response(source as Blob | FormData).arrayBuffer());
}
