import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { Delayed, DelayQueue } from '../../src/core/delay-queue.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

class Entry extends Delayed {
  private readonly callback: () => void;

  constructor(callback: () => void) {
    super();
    this.callback = callback;
  }

  override onDue(): void {
    this.callback();
  }
}

function open() {
  const clock = new VirtualClock();
  const queue = new DelayQueue(clock);
  const fired: [name: string, at: number][] = [];
  const entry = (name: string) => new Entry(() => fired.push([name, clock.now()]));
  return { clock, queue, fired, entry };
}

describe('a delay queue', () => {
  it('calls back at the instant, and needs one timer for all', async () => {
    const { clock, queue, fired, entry } = open();
    for (const name of ['a', 'b', 'c']) {
      queue.add(entry(name), clock.now() + 10);
      await clock.advance(1);
    }
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(20);
    expect(fired).toEqual([
      ['a', 10],
      ['b', 11],
      ['c', 12],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps the process alive only while something waits', () => {
    const { clock, queue, entry } = open();
    const [first, second] = [entry('a'), entry('b')];
    queue.add(first, 10);
    queue.add(second, 20);
    queue.remove(first);
    expect([clock.pendingTimers, clock.pendingBackgroundTimers]).toEqual([1, 0]);
    queue.remove(second);
    queue.remove(second);
    expect(clock.pendingTimers).toBe(0);
  });

  it('adds what waits already anew, never what has no end', async () => {
    const { clock, queue, fired, entry } = open();
    const one = entry('a');
    queue.add(one, 10);
    queue.add(one, 30);
    await clock.advance(20);
    expect(fired).toEqual([]);
    queue.add(one, Number.POSITIVE_INFINITY);
    await clock.advance(100);
    expect([fired, clock.pendingTimers]).toEqual([[], 0]);
  });

  it('lets who is due add and remove others', async () => {
    const { clock, queue, fired, entry } = open();
    const later = entry('later');
    const victim = entry('victim');
    queue.add(
      new Entry(() => {
        queue.remove(victim);
        queue.add(later, clock.now() + 5);
      }),
      10,
    );
    queue.add(victim, 10);
    await clock.advance(100);
    expect(fired).toEqual([['later', 15]]);
  });

  it('goes on after one that throws', () => {
    const timers: (() => void)[] = [];
    const clock = { ...systemClock, now: () => 0, setTimer: (callback: () => void) => timers.push(callback) as never };
    const queue = new DelayQueue({ ...clock, clearTimer() {} });
    let called = 0;
    queue.add(
      new Entry(() => {
        throw new Error('mine');
      }),
      5,
    );
    queue.add(new Entry(() => called++), 5);
    expect(() => timers[0]?.()).toThrow('mine');
    timers[1]?.();
    expect(called).toBe(1);
  });

  it('waits longer than the longest timer, and for nothing that is no instant', async () => {
    const { clock, queue, fired, entry } = open();
    const days = 24 * 3_600_000;
    queue.add(entry('late'), 40 * days);
    queue.add(entry('never'), Number.NaN);
    await clock.advance(39 * days);
    expect(fired).toEqual([]);
    await clock.advance(2 * days);
    expect(fired).toEqual([['late', 40 * days]]);
  });

  it('does for all what a timer each would do', async () => {
    const step = fc.oneof(
      fc.record({ add: fc.integer({ min: 0, max: 9 }), delay: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ remove: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ advance: fc.integer({ min: 0, max: 30 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, queue, fired, entry } = open();
        const expected: typeof fired = [];
        const plain = new VirtualClock();
        const timers = new Map<number, object>();
        const entries = Array.from({ length: 10 }, (_, index) => entry(String(index)));
        const forget = (index: number) => {
          const timer = timers.get(index);
          if (timer !== undefined) plain.clearTimer(timer);
        };
        for (const one of steps) {
          if ('add' in one) {
            queue.add(entries[one.add] as Entry, clock.now() + one.delay);
            forget(one.add);
            const note = () => expected.push([String(one.add), plain.now()]);
            timers.set(one.add, plain.setTimer(note, one.delay));
          } else if ('remove' in one) {
            queue.remove(entries[one.remove] as Entry);
            forget(one.remove);
          } else {
            await clock.advance(one.advance);
            await plain.advance(one.advance);
          }
        }
        await clock.advance(100);
        await plain.advance(100);
        const inOrder = (list: typeof fired) => [...list].sort(([a, x], [b, y]) => x - y || a.localeCompare(b));
        expect(inOrder(fired)).toEqual(inOrder(expected));
        expect(clock.pendingTimers).toBe(0);
      }),
    );
  });
});
