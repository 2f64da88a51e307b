import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ReplyBody } from '../../src/core/reply.ts';
import { decodedBody } from '../../src/http/content-decoding.ts';
import { completeBody, manualBody } from './manual-control.ts';

const text = 'reviews '.repeat(500);
const codings: [string, Buffer][] = [
  ['gzip', gzipSync(text)],
  ['x-gzip', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['deflate', deflateRawSync(text)],
  ['br', brotliCompressSync(text)],
  ['zstd', zstdCompressSync(text)],
  ['GZIP', gzipSync(text)],
  ['gzip, br', brotliCompressSync(gzipSync(text))],
  ['br , deflate', deflateSync(brotliCompressSync(text))],
];

/** The bytes one by one, as a bad network gives them. */
function byByte(bytes: Buffer): ReplyBody {
  return completeBody(...Array.from(bytes, (byte) => Buffer.from([byte])));
}

describe.each(codings)('decodedBody of %s', (coding, bytes) => {
  it('gives the text back', async () => {
    expect(await decodedBody(completeBody(bytes), coding).text()).toBe(text);
  });

  it('gives the text back, byte by byte', async () => {
    expect(await decodedBody(byByte(bytes), coding).text()).toBe(text);
  });

  it('gives a stream', async () => {
    expect(await new Response(decodedBody(completeBody(bytes), coding).stream() as ReadableStream).text()).toBe(text);
  });

  it('gives an empty body for an empty one', async () => {
    expect(await decodedBody(completeBody(), coding).text()).toBe('');
  });

  it('fails as fetch does when bytes are no such coding', async () => {
    const { body, asked, push } = manualBody();
    const read = decodedBody(body, coding).text();
    push('plainly not compressed');
    body.finish();
    await expect(read).rejects.toThrow(TypeError);
    await expect(read).rejects.toThrow('terminated');
    expect(asked).not.toContain('pause');
  });

  it('hands on the error of the connection', async () => {
    const { body } = manualBody();
    const read = decodedBody(body, coding).text();
    body.push(bytes.subarray(0, 10));
    body.fail(new Error('reset'));
    await expect(read).rejects.toThrow('reset');
  });

  it('gives the connection up when its reader does', async () => {
    const { body, asked } = manualBody();
    body.push(bytes.subarray(0, 10));
    decodedBody(body, coding).destroy(new Error('enough'));
    expect(asked).toContain('abort');
  });
});

describe('decodedBody', () => {
  it.each(['gzip', 'deflate', 'br', 'zstd'])(
    'gives what it has of a %s body that was cut off, or fails, as fetch does',
    async (coding) => {
      const whole = codings.find(([name]) => name === coding)?.[1] as Buffer;
      const cut = whole.subarray(0, whole.length - 6);
      const ours = await decodedBody(completeBody(cut), coding)
        .text()
        .catch((error: Error) => error.message);
      expect(['terminated', text, text.slice(0, ours.length)]).toContain(ours);
    },
  );

  it('leaves a body alone whose coding is not known, or that has too many', () => {
    const body = completeBody('x');
    for (const coding of ['identity', 'compress', 'gzip, unknown', '', Array(6).fill('gzip').join()]) {
      expect(decodedBody(body, coding)).toBe(body);
    }
  });

  it('is not confused by names of Object.prototype', () => {
    const body = completeBody('x');
    expect(decodedBody(body, 'constructor')).toBe(body);
    expect(decodedBody(body, '__proto__')).toBe(body);
  });

  it('slows the connection down when nobody reads', async () => {
    const { body, asked } = manualBody();
    const plain = randomBytes(1024 * 1024);
    const bytes = gzipSync(plain);
    const decoded = decodedBody(body, 'gzip');
    let sent = 0;
    while (!asked.includes('pause')) {
      body.push(bytes.subarray(sent, sent + 16_384));
      sent += 16_384;
      await turn();
    }
    expect(sent).toBeLessThan(512 * 1024);
    const read = decoded.bytes();
    body.push(bytes.subarray(sent));
    body.finish();
    expect((await read).equals(plain)).toBe(true);
  });

  it('does not blow up a bomb that nobody reads', async () => {
    const size = 64 * 1024 * 1024;
    const decoded = decodedBody(completeBody(gzipSync(Buffer.alloc(size))), 'gzip');
    for (let step = 0; step < 50; step++) await turn();
    expect(decoded.bytesReceived).toBeLessThan(1024 * 1024);
    let read = 0;
    for await (const chunk of decoded.readable()) read += (chunk as Buffer).length;
    expect(read).toBe(size);
  });
});
