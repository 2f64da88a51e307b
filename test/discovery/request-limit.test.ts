import { describe, expect, it } from 'vitest';
import { RequestLimit } from '../../src/discovery/request-limit.ts';

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
