import { describe, expect, it } from 'vitest';
import { RequestLimit } from '../../../src/discovery/remote/request-limit.ts';

const { signal } = new AbortController();

describe('RequestLimit', () => {
  it('lets so much work run at once, and the rest in its order', async () => {
    const limit = new RequestLimit(2);
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const all = [0, 1, 2, 3].map((at) =>
      limit.run(signal, async () => {
        begun.push(at);
        await new Promise<void>((end) => ends.push(end));
        return at;
      }),
    );
    expect(begun).toEqual([0, 1]);
    ends[1]?.();
    await all[1];
    expect(begun).toEqual([0, 1, 2]);
    ends[0]?.();
    ends[2]?.();
    await all[2];
    ends[3]?.();
    expect(await Promise.all(all)).toEqual([0, 1, 2, 3]);
  });

  it('rejects what is given up while it waits, at once, and keeps the others in their order', async () => {
    const limit = new RequestLimit(1);
    const given = new AbortController();
    let end = () => {};
    const first = limit.run(signal, () => new Promise<void>((resolve) => (end = resolve)));
    const second = limit.run(given.signal, async () => 'never');
    const others = ['third', 'fourth'].map((name) => limit.run(signal, async () => name));
    given.abort(new Error('given up'));
    // The first still runs.
    await expect(second).rejects.toThrow('given up');
    await expect(limit.run(given.signal, async () => 'never')).rejects.toThrow('given up');
    end();
    await first;
    expect(await Promise.all(others)).toEqual(['third', 'fourth']);
  });

  it('passes on the turn of what is given up when that has come, and before it begins', async () => {
    const limit = new RequestLimit(1);
    const given = new AbortController();
    const end = Promise.withResolvers<void>();
    let isBegun = false;
    void limit.run(signal, () => end.promise);
    const second = limit.run(given.signal, async () => {
      isBegun = true;
    });
    const third = limit.run(signal, async () => 'done');
    end.resolve();
    // Runs behind what ends the first, and before what begins the second.
    queueMicrotask(() => given.abort(new Error('given up')));
    await expect(second).rejects.toThrow('given up');
    expect(isBegun).toBe(false);
    expect(await third).toBe('done');
  });

  it('goes on after work that failed, and passes over what is given up', async () => {
    const limit = new RequestLimit(1);
    const given = new AbortController();
    const first = limit.run(signal, () => Promise.reject(new Error('failed')));
    const second = limit.run(given.signal, async () => 'never');
    const third = limit.run(signal, async () => 'done');
    given.abort(new Error('given up'));
    await expect(first).rejects.toThrow('failed');
    await expect(second).rejects.toThrow('given up');
    expect(await third).toBe('done');
    expect(await limit.run(signal, async () => 'again')).toBe('again');
  });
});
