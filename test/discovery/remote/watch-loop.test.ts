import { describe, expect, it } from 'vitest';
import { ReconnectDelay } from '../../../src/discovery/remote/reconnect-delay.ts';
import { WatchLoop, type WatchLoopOptions } from '../../../src/discovery/remote/watch-loop.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** Waits of 50, 100 and 100 ms, and so on. */
const random = { next: () => 0 };
const waits = { backoffMs: 100, maxBackoffMs: 200 };

function open(clock: VirtualClock, options: Pick<WatchLoopOptions, 'run'> & Partial<WatchLoopOptions>): WatchLoop {
  return new WatchLoop({ clock, delay: new ReconnectDelay(random, waits), failed: () => {}, ...options });
}

describe('WatchLoop', () => {
  it('begins a session that ended well again at once', async () => {
    const clock = new VirtualClock();
    let begun = 0;
    const loop = open(clock, {
      run: async ({ signal }) => {
        if (++begun < 100) return;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    });
    await clock.advance(0);
    expect(begun).toBe(100);
    loop.close();
  });

  it('waits longer and longer after sessions that end well and too soon, and tells nobody', async () => {
    const clock = new VirtualClock();
    const begunAt: number[] = [];
    const told: Error[] = [];
    const loop = open(clock, {
      run: async () => void begunAt.push(clock.now()),
      failed: (error) => told.push(error),
      shortestMs: 10,
    });
    await clock.advance(300);
    expect(begunAt).toEqual([0, 50, 150, 250]);
    expect(told).toEqual([]);
    loop.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('waits after a failure as long as that one asks for', async () => {
    const clock = new VirtualClock();
    const begunAt: number[] = [];
    const loop = open(clock, {
      run: async () => {
        begunAt.push(clock.now());
        throw new Error(begunAt.length === 1 ? 'refused' : 'broken');
      },
      leastWaitMs: ({ message }) => (message === 'refused' ? 1_000 : 0),
    });
    await clock.advance(1_200);
    expect(begunAt).toEqual([0, 1_000, 1_100, 1_200]);
    loop.close();
  });

  it('begins nothing more when the sink closes it, or when it is closed after a short session', async () => {
    const clock = new VirtualClock();
    let begun = 0;
    const failing: WatchLoop = open(clock, {
      run: () => Promise.reject(new Error(`session ${++begun}`)),
      failed: () => failing.close(),
    });
    const short: WatchLoop = open(clock, {
      run: async () => {
        begun++;
        short.close();
      },
      shortestMs: 10,
    });
    await clock.advance(1_000);
    expect(begun).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });
});
