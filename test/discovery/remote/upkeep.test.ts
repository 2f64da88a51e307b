import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { ReconnectDelay } from '../../../src/discovery/remote/reconnect-delay.ts';
import { Upkeep } from '../../../src/discovery/remote/upkeep.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

function setup(run: (turn: number) => Promise<void>) {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const failures: string[] = [];
  const upkeep = new Upkeep({
    clock,
    delay: new ReconnectDelay(seededRandom(1), { backoffMs: 100, maxBackoffMs: 400 }),
    intervalMs: 5_000,
    run: () => {
      ran.push(clock.now());
      return run(ran.length);
    },
    failed: (error) => failures.push(error.message),
  });
  return { clock, ran, failures, upkeep };
}

describe('Upkeep', () => {
  it('runs after each interval, in the background', async () => {
    const { clock, ran, upkeep } = setup(async () => {});
    upkeep.start();
    expect([clock.pendingTimers, clock.pendingBackgroundTimers]).toEqual([1, 1]);
    await clock.advance(15_000);
    expect(ran).toEqual([5_000, 10_000, 15_000]);
  });

  it('comes back sooner after failures, and tells the first of them only', async () => {
    const { clock, ran, failures, upkeep } = setup(async (turn) => {
      if (turn < 10) throw new Error(`failure ${turn}`);
    });
    upkeep.start();
    await clock.advance(5_000);
    await clock.advance(4_000);
    expect(ran.length).toBe(10);
    const waits = ran.slice(1).map((instant, index) => instant - (ran[index] as number));
    expect(Math.max(...waits)).toBeLessThanOrEqual(400);
    expect(failures).toEqual(['failure 1']);
    await clock.advance(5_000);
    expect(ran.length).toBe(11);
  });

  it('tells a failure again after a success', async () => {
    const { clock, failures, upkeep } = setup(async (turn) => {
      if (turn !== 2) throw new Error(`failure ${turn}`);
    });
    upkeep.now();
    await clock.advance(6_000);
    expect(failures).toEqual(['failure 1', 'failure 3']);
  });

  it('runs once more, and never twice at a time, when asked to while it runs', async () => {
    let release = () => {};
    const { clock, ran, upkeep } = setup((turn) =>
      turn === 1 ? new Promise((resolve) => (release = resolve)) : Promise.resolve(),
    );
    upkeep.now();
    upkeep.now();
    upkeep.now();
    await clock.advance(0);
    expect(ran).toHaveLength(1);
    release();
    await clock.advance(0);
    expect(ran).toHaveLength(2);
  });

  it('runs sooner than planned when it is asked to, and never later', async () => {
    const { clock, ran, upkeep } = setup(async () => {});
    upkeep.within(100);
    upkeep.start();
    upkeep.within(6_000);
    upkeep.within(100);
    upkeep.within(200);
    await clock.advance(5_500);
    expect(ran).toEqual([100, 5_100]);
    await upkeep.end();
    upkeep.within(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it('runs once more at once when it is asked for a run within a time while it runs', async () => {
    let release = () => {};
    const { clock, ran, upkeep } = setup((turn) =>
      turn === 1 ? new Promise((resolve) => (release = resolve)) : Promise.resolve(),
    );
    upkeep.now();
    upkeep.within(300);
    release();
    await clock.advance(0);
    expect(ran).toHaveLength(2);
  });

  it('ends when the run under way is over, and runs no more', async () => {
    let release = () => {};
    const { clock, ran, failures, upkeep } = setup(
      () => new Promise((_, reject) => (release = () => reject(new Error('too late')))),
    );
    upkeep.now();
    let ended = false;
    void upkeep.end().then(() => {
      ended = true;
    });
    await clock.advance(60_000);
    expect(ended).toBe(false);
    release();
    await clock.advance(60_000);
    expect(ended).toBe(true);
    upkeep.now();
    upkeep.start();
    await clock.advance(60_000);
    expect([ran.length, failures, clock.pendingTimers]).toEqual([1, [], 0]);
  });
});
