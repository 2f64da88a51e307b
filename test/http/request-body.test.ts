import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ReplayableBody } from '../../src/core/call.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { type BodyInput, replayableBody } from '../../src/http/request-body.ts';

const over = new Error('over');

async function read(body: ReplayableBody | null): Promise<string> {
  const source = body?.open();
  if (source === undefined) return '';
  return new Response(typeof source === 'string' ? source : (source as unknown as BodyInit)).text();
}

type BodyInit = NonNullable<ConstructorParameters<typeof Response>[0]>;

async function* generate(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

describe('a request body that stays as it is', () => {
  it.each<[string, BodyInput, string, number]>([
    ['a string', 'aä', 'aä', 3],
    ['bytes', Buffer.from('abc'), 'abc', 3],
    ['a view of bytes', new Uint8Array(Buffer.from('xabcx').subarray(1, 4)), 'abc', 3],
    ['an ArrayBuffer', new Uint8Array([97, 98]).buffer, 'ab', 2],
    ['a Blob', new Blob(['abc']), 'abc', 3],
  ])('%s is sent again and again, idempotent or not', async (_name, input, text, length) => {
    for (const idempotent of [true, false]) {
      const body = replayableBody(input, idempotent);
      expect(body?.length).toBe(length);
      expect(await read(body)).toBe(text);
      expect(body?.replayable).toBe(true);
      expect(await read(body)).toBe(text);
    }
  });

  it('is null for null and undefined', () => {
    expect([replayableBody(null, true), replayableBody(undefined, true)]).toEqual([null, null]);
  });

  it.each([1, {}, true, Symbol('x')])('refuses %s with INMESH_REQUEST', (input) => {
    expect(() => replayableBody(input as unknown as BodyInput, true)).toThrow(/body must be/);
    try {
      replayableBody(input as unknown as BodyInput, true);
    } catch (error) {
      expect(isMeshError(error, 'INMESH_REQUEST')).toBe(true);
    }
  });
});

describe('a function that makes bodies', () => {
  it('is asked once for each attempt', async () => {
    let made = 0;
    const body = replayableBody(() => generate(`body ${++made}`), false);
    expect(await read(body)).toBe('body 1');
    expect(body?.replayable).toBe(true);
    expect(await read(body)).toBe('body 2');
  });

  it('lets go of the body of the former attempt, and of the last one at the end', async () => {
    const streams: Readable[] = [];
    const body = replayableBody(() => {
      const stream = new Readable({ read() {} });
      streams.push(stream);
      return stream;
    }, false);
    body?.open();
    body?.open();
    expect(streams.map((stream) => stream.destroyed)).toEqual([true, false]);
    body?.discard(over);
    expect(streams.map((stream) => stream.destroyed)).toEqual([true, true]);
  });

  it('may give nothing', async () => {
    expect(await read(replayableBody(() => null, false))).toBe('');
  });
});

describe('a stream as request body', () => {
  const kinds: [string, () => BodyInput][] = [
    ['Readable', () => Readable.from([Buffer.from('a'), Buffer.from('b')])],
    ['web stream', () => new Blob(['ab']).stream() as unknown as BodyInput],
    ['generator', () => generate('a', 'b')],
    ['synchronous iterable', () => [Buffer.from('a'), Buffer.from('b')]],
  ];

  it.each(kinds)('(%s) can be opened again while nobody has read from it', async (_kind, make) => {
    const body = replayableBody(make(), false);
    body?.open();
    expect(body?.replayable).toBe(true);
    expect(await read(body)).toBe('ab');
    expect(body?.replayable).toBe(false);
  });

  it.each(kinds)('(%s) is kept for another attempt when the call is idempotent', async (_kind, make) => {
    const body = replayableBody(make(), true);
    expect(await read(body)).toBe('ab');
    await turn();
    expect(body?.replayable).toBe(true);
    expect(await read(body)).toBe('ab');
    body?.release();
    expect(body?.replayable).toBe(false);
  });

  it('is not kept beyond 64 KiB', async () => {
    const body = replayableBody(generate('x'.repeat(65_536)), true);
    await read(body);
    expect(body?.replayable).toBe(true);
    const larger = replayableBody(generate('x'.repeat(65_536), 'x'), true);
    expect((await read(larger)).length).toBe(65_537);
    expect(larger?.replayable).toBe(false);
  });

  it('that breaks before it is read is not replayable, and does not bring the process down', async () => {
    const stream = new Readable({ read() {} });
    const body = replayableBody(stream, true);
    stream.destroy(new Error('disk'));
    await turn();
    expect(body?.replayable).toBe(false);
    await expect(read(body)).rejects.toThrow();
  });

  it('is destroyed when the call is over', async () => {
    const stream = new Readable({ read() {} });
    replayableBody(stream, true)?.discard(over);
    await turn();
    expect(stream.destroyed).toBe(true);
  });
});
