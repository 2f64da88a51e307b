import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonElements } from '../../../src/discovery/remote/json-elements.ts';

/** The bytes of `text` in chunks of the given lengths, in turn. */
async function* chunks(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let [at, turn] = [0, 0]; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] as number;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

async function elementsOf(text: string, lengths: readonly number[] = [7]): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const element of jsonElements(chunks(Buffer.from(text), lengths))) found.push(element);
  return found;
}

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

describe('jsonElements', () => {
  it('reads what JSON.parse reads, wherever it is cut', async () => {
    const values = fc.array(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }));
    const spaces = fc.constantFrom(undefined, 1, '\t', ' \n');
    await fc.assert(
      fc.asyncProperty(values, spaces, lengths, async (value, space, cuts) => {
        const text = JSON.stringify(value, undefined, space);
        expect(await elementsOf(text, cuts)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses what JSON.parse refuses, and nothing else', async () => {
    const pieces = [
      '[',
      ']',
      '{',
      '}',
      ',',
      ':',
      '"',
      '\\',
      '1',
      'null',
      ' ',
      '\n',
      '"a"',
      '"é\\""',
      '\u00a0',
      '\ufeff',
    ];
    const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(texts, lengths, async (inner, cuts) => {
        for (const text of [inner, `[${inner}]`, `[${inner}`]) {
          let expected: unknown;
          try {
            expected = JSON.parse(text);
          } catch {}
          if (Array.isArray(expected)) expect(await elementsOf(text, cuts)).toEqual(expected);
          else await expect(elementsOf(text, cuts)).rejects.toThrow(SyntaxError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('refuses a text that is cut off anywhere', async () => {
    const text = '[{"a":"é\\"]"},[1,2],"x"]';
    const bytes = Buffer.from(text);
    for (let length = 0; length < bytes.length; length++) {
      const cut = (async () => {
        for await (const _ of jsonElements(chunks(bytes.subarray(0, length), [3]))) {
          // Only whether it ends well counts.
        }
      })();
      await expect(cut).rejects.toThrow(SyntaxError);
    }
  });

  it('gives elements before the next chunk has come', async () => {
    let came = 0;
    const body = (async function* () {
      for (const text of ['[1,', '2,', '3]']) {
        came++;
        yield Buffer.from(text);
      }
    })();
    const seen: [unknown, number][] = [];
    for await (const element of jsonElements(body)) seen.push([element, came]);
    expect(seen).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  it('ends the body when the reader leaves', async () => {
    let ended = false;
    const body = (async function* () {
      try {
        for (;;) yield Buffer.from('[1,2');
      } finally {
        ended = true;
      }
    })();
    for await (const element of jsonElements(body)) {
      expect(element).toBe(1);
      break;
    }
    expect(ended).toBe(true);
  });

  it('holds no element that never ends', async () => {
    const body = (async function* () {
      yield Buffer.from('["');
      for (;;) yield Buffer.alloc(1024 * 1024, 0x61);
    })();
    await expect(jsonElements(body).next()).rejects.toThrow('more than 16777216 bytes');
  });
});
