import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyTee } from '../../src/http/body-tee.ts';

/** A source whose chunks a test hands out one by one. */
class ManualSource implements AsyncIterable<Uint8Array> {
  pulls = 0;
  returned = 0;
  private waiting: { resolve: (result: IteratorResult<Uint8Array>) => void; reject: (error: unknown) => void }[] = [];

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => {
        this.pulls++;
        return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
      },
      return: async () => {
        this.returned++;
        return { done: true, value: undefined };
      },
    };
  }

  async give(text: string): Promise<void> {
    this.waiting.shift()?.resolve({ done: false, value: Buffer.from(text) });
    await turn();
  }

  async end(): Promise<void> {
    this.waiting.shift()?.resolve({ done: true, value: undefined });
    await turn();
  }

  async fail(error: Error): Promise<void> {
    this.waiting.shift()?.reject(error);
    await turn();
  }
}

/** Reads to the end, in the background. */
function readAll(reader: AsyncIterable<Uint8Array>): { text: string; done: Promise<string> } {
  const reading = { text: '', done: Promise.resolve('') };
  reading.done = (async () => {
    for await (const chunk of reader) reading.text += Buffer.from(chunk);
    return reading.text;
  })();
  reading.done.catch(() => {});
  return reading;
}

async function* chunksOf(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

describe('BodyTee', () => {
  it('does not touch its source before somebody reads', () => {
    const source = new ManualSource();
    const tee = new BodyTee(source, 0);
    tee.open();
    expect(source.pulls).toBe(0);
    expect(tee.replayable).toBe(true);
  });

  it('gives a second reader everything, after the first and beside it', async () => {
    const source = new ManualSource();
    const tee = new BodyTee(source, 100);
    const first = readAll(tee.open());
    await turn();
    await source.give('a');
    const second = readAll(tee.open());
    await turn();
    expect(second.text).toBe('a');
    await source.give('b');
    expect([first.text, second.text]).toEqual(['ab', 'ab']);
    await source.end();
    expect(await Promise.all([first.done, second.done, readAll(tee.open()).done])).toEqual(['ab', 'ab', 'ab']);
  });

  it('asks its source once for what two readers wait for', async () => {
    const source = new ManualSource();
    const tee = new BodyTee(source, 100);
    readAll(tee.open());
    readAll(tee.open());
    await turn();
    expect(source.pulls).toBe(1);
  });

  it('is no longer replayable beyond its limit, and goes on for the reader it has', async () => {
    const tee = new BodyTee(chunksOf('ab', 'cd', 'ef'), 3);
    const reader = tee.open()[Symbol.asyncIterator]();
    await reader.next();
    expect(tee.replayable).toBe(true);
    await reader.next();
    expect(tee.replayable).toBe(false);
    expect(String((await reader.next()).value)).toBe('ef');
    expect((await reader.next()).done).toBe(true);
  });

  it('keeps nothing with a limit of 0: the first byte makes it a one-shot', async () => {
    const tee = new BodyTee(chunksOf('a', 'b'), 0);
    const reader = tee.open()[Symbol.asyncIterator]();
    await reader.next();
    expect(tee.replayable).toBe(false);
    expect(String((await reader.next()).value)).toBe('b');
  });

  it('takes no new reader after release, and those it has read on', async () => {
    const tee = new BodyTee(chunksOf('a', 'b', 'c'), 100);
    const reader = tee.open()[Symbol.asyncIterator]();
    await reader.next();
    tee.release();
    expect(tee.replayable).toBe(false);
    expect(String((await reader.next()).value)).toBe('b');
  });

  it('leaves the source to the next reader when the first stops early', async () => {
    const source = new ManualSource();
    const tee = new BodyTee(source, 100);
    const reader = tee.open()[Symbol.asyncIterator]();
    const next = reader.next();
    await turn();
    await source.give('a');
    await next;
    await reader.return?.();
    expect(source.returned).toBe(0);
    const second = readAll(tee.open());
    await turn();
    await source.give('b');
    await source.end();
    expect(await second.done).toBe('ab');
  });

  it('hands an error of its source to every reader, and is not replayable then', async () => {
    const source = new ManualSource();
    const tee = new BodyTee(source, 100);
    const readers = [readAll(tee.open()), readAll(tee.open())];
    await turn();
    await source.give('a');
    await source.fail(new Error('disk'));
    for (const reader of readers) {
      await expect(reader.done).rejects.toThrow('disk');
      expect(reader.text).toBe('a');
    }
    expect(tee.replayable).toBe(false);
  });

  it('discard ends the source and its readers', async () => {
    const source = new ManualSource();
    const tee = new BodyTee(source, 100);
    const reader = readAll(tee.open());
    await turn();
    tee.discard(new Error('over'));
    await source.give('late');
    await expect(reader.done).rejects.toThrow('over');
    expect(source.returned).toBe(1);
    expect(tee.replayable).toBe(false);
  });

  it('discard ends a source that nobody has read', async () => {
    const cancelled: unknown[] = [];
    const stream = new ReadableStream({ cancel: (reason) => void cancelled.push(reason) }, { highWaterMark: 0 });
    new BodyTee(stream as unknown as AsyncIterable<Uint8Array>, 0).discard(new Error('over'));
    await turn();
    expect(cancelled).toHaveLength(1);
  });

  it('discard leaves a source alone that has ended', async () => {
    const source = new ManualSource();
    const tee = new BodyTee(source, 100);
    const reader = readAll(tee.open());
    await turn();
    await source.end();
    await reader.done;
    tee.discard(new Error('over'));
    expect(source.returned).toBe(0);
  });

  it('takes strings and synchronous iterables', async () => {
    const strings = new BodyTee(['a', 'ä'] as unknown as AsyncIterable<Uint8Array>, 100);
    expect(await readAll(strings.open()).done).toBe('aä');
  });

  it('gives readers that start and stop anywhere a prefix of the source, and the last one all of it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 8 }),
        fc.array(fc.nat(8), { maxLength: 4 }),
        async (texts, stops) => {
          const tee = new BodyTee(chunksOf(...texts), 1000);
          for (const stop of stops) {
            const taken: string[] = [];
            if (stop > 0) {
              for await (const chunk of tee.open()) {
                taken.push(String(chunk));
                if (taken.length >= stop) break;
              }
            }
            expect(taken).toEqual(texts.slice(0, stop));
          }
          expect(await readAll(tee.open()).done).toBe(texts.join(''));
        },
      ),
      { numRuns: 100 },
    );
  });
});
