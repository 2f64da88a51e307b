import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readJsonList } from '../../../src/discovery/remote/json-list.ts';

/** The bytes of `text` in chunks of the given lengths, in turn. */
async function* chunks(text: string, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let [at, turn] = [0, 0]; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] as number;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

async function read(text: string, lengths: readonly number[] = [3]) {
  const items: unknown[] = [];
  const rest = await readJsonList(chunks(text, lengths), 'items', async (item) => void items.push(item));
  return { items, rest };
}

const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

describe('readJsonList', () => {
  it('reads what JSON.parse reads, wherever it is cut and whatever stands around', async () => {
    const json = fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' });
    const name = fc.oneof(fc.constantFrom('item', ' items', '"items":[', '\\"items', '{', ','), fc.string());
    const around = fc.array(fc.tuple(name, json), { maxLength: 4 });
    const spaces = fc.constantFrom(undefined, 1, '\t', ' \n');
    await fc.assert(
      fc.asyncProperty(around, fc.array(json), around, spaces, cuts, async (before, items, after, space, lengths) => {
        const others = [...before, ...after].filter(([key]) => key !== 'items' && key !== '__proto__');
        const list = Object.fromEntries([...others.slice(0, before.length), ['items', items], ...others]);
        const found = await read(JSON.stringify(list, undefined, space), lengths);
        const expected = JSON.parse(JSON.stringify(list));
        expect(found).toEqual({ items: expected.items, rest: { ...expected, items: [] } });
      }),
    );
  });

  it.each(['{}', '{"items":null}', '{"items":{"items":[1]}}', '{"a":{"items":[1]}}', '[{"items":[1]}]', '"items"'])(
    'takes nothing of %s, which has no such array',
    async (text) => {
      expect(await read(text)).toEqual({ items: [], rest: JSON.parse(text) });
    },
  );

  it('refuses a text that is cut off anywhere', async () => {
    const text = '{"a":"é\\"[","items":[{"b":[1]},2],"c":3}';
    expect(await read(text)).toEqual({ items: [{ b: [1] }, 2], rest: { a: 'é"[', items: [], c: 3 } });
    for (let length = 0; length < text.length; length++) {
      await expect(read(text.slice(0, length))).rejects.toThrow(SyntaxError);
    }
  });

  it.each(['{"items":[1,]}', '{"items":[1}}', '{"items":[1]]', '{"items":[1],}', '{"items":[1]} x'])(
    'refuses %s',
    async (text) => {
      await expect(read(text)).rejects.toThrow(SyntaxError);
    },
  );

  it('gives an element before what follows has come, and reads no further until it is taken', async () => {
    const events: string[] = [];
    const body = (async function* () {
      for (const text of ['{"items":[1,', '2,', '3]}']) {
        events.push(text);
        yield Buffer.from(text);
      }
    })();
    await readJsonList(body, 'items', async (item) => void events.push(String(item)));
    expect(events).toEqual(['{"items":[1,', '1', '2,', '2', '3]}', '3']);
  });

  it('ends the body when an element is refused', async () => {
    let ended = false;
    const body = (async function* () {
      try {
        for (;;) yield Buffer.from('{"items":[1,2');
      } finally {
        ended = true;
      }
    })();
    await expect(readJsonList(body, 'items', () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
    expect(ended).toBe(true);
  });

  it('holds no text that never ends', async () => {
    const body = (async function* () {
      yield Buffer.from('{"a":"');
      for (;;) yield Buffer.alloc(64 * 1024, 0x61);
    })();
    await expect(readJsonList(body, 'items', async () => {})).rejects.toThrow('more than 1048576 bytes');
  });
});
