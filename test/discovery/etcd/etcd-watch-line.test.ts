import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { readWatchLine } from '../../../src/discovery/etcd/etcd-watch-line.ts';
import { toBase64 } from '../../../src/discovery/etcd/etcd-wire.ts';
import { LoopTurns } from '../../../src/discovery/loop-turns.ts';

const turns = new LoopTurns(systemClock);

describe('readWatchLine', () => {
  it('reads what the line says, however long it is', async () => {
    const event = fc
      .tuple(fc.string(), fc.string(), fc.boolean())
      .map(([key, value, isPut]) =>
        isPut ? { kv: { key: toBase64(key), value: toBase64(value) } } : { type: 'DELETE', kv: { key: toBase64(key) } },
      );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 20 }), fc.nat(300), async (some, times) => {
        const events = Array.from({ length: times }, () => some).flat();
        const line = { result: { header: { revision: '7' }, watch_id: '1', events } };
        expect(await readWatchLine(JSON.stringify(line), turns)).toEqual(line);
      }),
      { numRuns: 50 },
    );
  });

  it('lets the event loop turn between the parts of a long line', async () => {
    let count = 0;
    const counted = { turn: async () => void count++ } as unknown as LoopTurns;
    const kv = { key: toBase64('a/1'), value: toBase64('x'.repeat(100)) };
    const events = Array.from({ length: 10_000 }, () => ({ kv }));
    const line = await readWatchLine(JSON.stringify({ result: { events } }), counted);
    expect(line.result?.events).toHaveLength(10_000);
    expect(count).toBeGreaterThan(10);
  });

  it.each(['null', '5', '<html>', `{"result":{"events":[{${' '.repeat(100_000)}]}}`])('refuses %.20s', async (text) => {
    await expect(readWatchLine(text, turns)).rejects.toThrow();
  });
});
