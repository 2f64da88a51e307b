import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

describe('VirtualClock', () => {
  it('stands still until it is advanced', async () => {
    const clock = new VirtualClock(5_000);
    expect([clock.now(), clock.wallTime()]).toEqual([0, 5_000]);
    await clock.advance(10);
    expect([clock.now(), clock.wallTime()]).toEqual([10, 5_010]);
  });

  it('fires timers at their instants, in order, equal ones in the order they were set', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    clock.setTimer(() => fired.push(`late ${clock.now()}`), 20);
    clock.setTimer(() => fired.push(`first ${clock.now()}`), 10);
    clock.setBackgroundTimer(() => fired.push(`second ${clock.now()}`), 10);
    await clock.advance(15);
    expect(fired).toEqual(['first 10', 'second 10']);
    await clock.advance(15);
    expect(fired.at(-1)).toBe('late 20');
  });

  it('fires timers that are set on the way', async () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    const tick = () => {
      fired.push(clock.now());
      if (fired.length < 3) clock.setTimer(tick, 4);
    };
    clock.setTimer(tick, 4);
    await clock.advance(12);
    expect(fired).toEqual([4, 8, 12]);
  });

  it('settles chains of promises between timers', async () => {
    const clock = new VirtualClock();
    const steps: string[] = [];
    const chain = async () => {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      steps.push('promises');
    };
    clock.setTimer(() => void chain(), 1);
    clock.setTimer(() => steps.push('timer'), 1);
    await clock.advance(1);
    expect(steps).toEqual(['promises', 'timer']);
  });

  it('forgets cleared timers and counts the pending ones', async () => {
    const clock = new VirtualClock();
    let fired = 0;
    const timer = clock.setTimer(() => fired++, 5);
    clock.setBackgroundTimer(() => fired++, 5);
    expect([clock.pendingTimers, clock.pendingBackgroundTimers]).toEqual([2, 1]);
    clock.clearTimer(timer);
    clock.clearTimer(timer);
    expect([clock.pendingTimers, clock.pendingBackgroundTimers]).toEqual([1, 1]);
    await clock.advance(5);
    expect(fired).toBe(1);
    expect([clock.pendingTimers, clock.pendingBackgroundTimers]).toEqual([0, 0]);
  });

  it('fires any set of timers in the order of their instants', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 20 }), async (delays) => {
        const clock = new VirtualClock();
        const fired: number[] = [];
        for (const delay of delays) clock.setTimer(() => fired.push(delay), delay);
        await clock.advance(20);
        expect(fired).toEqual([...delays].sort((a, b) => a - b));
      }),
      { numRuns: 30 },
    );
  });
});
