import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { criticalities } from '../../../src/core/criticality.ts';
import type { Operation } from '../../../src/core/operation.ts';
import { Limiter } from '../../../src/resilience/limit/limiter.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeCommand } from '../fake-call.ts';

/** A limiter whose users take a place when they start, as a cluster does. */
class Room {
  places: number;
  readonly started: Operation[] = [];
  readonly limiter: Limiter;
  readonly clock = new VirtualClock();
  overflows = 0;
  timeouts = 0;

  constructor(places: number, maxPending = 10, maxWaitMs = () => Number.POSITIVE_INFINITY) {
    this.places = places;
    this.limiter = new Limiter({
      service: 'reviews',
      maxPending: () => maxPending,
      canStart: () => this.places > 0,
      wait: { clock: this.clock, maxMs: maxWaitMs, onTimeout: () => this.timeouts++ },
      onOverflow: () => this.overflows++,
    });
  }

  enter(operation: Operation): Promise<void> {
    const wait = this.limiter.acquire(operation);
    if (wait !== undefined) return wait.then(() => this.start(operation));
    this.start(operation);
    return Promise.resolve();
  }

  leave(): void {
    this.places++;
    this.limiter.notify();
  }

  private start(operation: Operation): void {
    this.places--;
    this.started.push(operation);
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('Limiter', () => {
  it('lets in at once, without a promise, while there is room', () => {
    expect(new Room(1).limiter.acquire(fakeCommand())).toBeUndefined();
  });

  it('lets in those who wait in order of arrival', async () => {
    const room = new Room(1);
    const operations = [fakeCommand(), fakeCommand(), fakeCommand()];
    for (const operation of operations) void room.enter(operation);
    expect(room.limiter.pending).toBe(2);
    room.leave();
    await settled();
    expect(room.started).toEqual(operations.slice(0, 2));
    room.leave();
    await settled();
    expect(room.started).toEqual(operations);
    expect(operations.map(({ listenerCount }) => listenerCount)).toEqual([0, 0, 0]);
  });

  it('lets in no more than there is room for, however many wait', async () => {
    const room = new Room(0);
    for (let index = 0; index < 6; index++) void room.enter(fakeCommand());
    room.places = 4;
    room.limiter.notify();
    room.limiter.notify();
    await settled();
    expect(room.started).toHaveLength(4);
    expect(room.places).toBe(0);
    expect(room.limiter.pending).toBe(2);
  });

  it('lets nobody pass those who wait, nor one who was let in and has not started', async () => {
    const room = new Room(0);
    const [first, second] = [fakeCommand(), fakeCommand()];
    void room.enter(first);
    room.leave();
    void room.enter(second);
    await settled();
    expect(room.started).toEqual([first]);
    expect(room.limiter.pending).toBe(1);
  });

  it('refuses when too many wait', async () => {
    const room = new Room(0, 1);
    void room.enter(fakeCommand());
    await expect(room.enter(fakeCommand())).rejects.toMatchObject({ code: 'INMESH_OVERFLOW', service: 'reviews' });
    expect(room.limiter.pending).toBe(1);
  });

  it('refuses everybody above the limit when nobody may wait', async () => {
    await expect(new Room(0, 0).enter(fakeCommand())).rejects.toMatchObject({ code: 'INMESH_OVERFLOW' });
  });

  it('ends the wait of a cancelled operation at once, with the reason', async () => {
    const room = new Room(0);
    const [first, second, third] = [fakeCommand(), fakeCommand(), fakeCommand()];
    const waits = [room.enter(first), room.enter(second), room.enter(third)];
    const reason = new Error('enough');
    second.cancel(reason);
    await expect(waits[1]).rejects.toBe(reason);
    expect(room.limiter.pending).toBe(2);
    room.places = 9;
    room.limiter.notify();
    await settled();
    expect(room.started).toEqual([first, third]);
  });

  it('does not take in an operation that is cancelled already', async () => {
    const operation = fakeCommand();
    operation.cancel('enough');
    await expect(new Room(1).enter(operation)).rejects.toBe('enough');
  });

  it('tells of those that it refuses', async () => {
    const room = new Room(0, 1, () => 50);
    room.enter(fakeCommand()).catch(() => {});
    await room.enter(fakeCommand()).catch(() => {});
    await room.clock.advance(50);
    expect([room.overflows, room.timeouts]).toEqual([1, 1]);
  });

  it('refuses each that has waited for its time, and no other', async () => {
    const room = new Room(0, 10, () => 100);
    const ends: number[] = [];
    const enter = () =>
      room.enter(fakeCommand()).catch(({ code }) => ends.push(code === 'INMESH_OVERFLOW' ? room.clock.now() : 0));
    void enter();
    await room.clock.advance(30);
    void enter();
    await room.clock.advance(60);
    room.leave();
    void enter();
    await room.clock.advance(200);
    expect(ends).toEqual([130, 190]);
    expect(room.started).toHaveLength(1);
    expect(room.clock.pendingTimers).toBe(0);
  });

  it('takes a new time for those who wait already', async () => {
    let maxMs = Number.POSITIVE_INFINITY;
    const room = new Room(0, 10, () => maxMs);
    const refused = expect(room.enter(fakeCommand())).rejects.toMatchObject({ code: 'INMESH_OVERFLOW' });
    await room.clock.advance(1_000);
    expect(room.clock.pendingTimers).toBe(0);
    maxMs = 1_500;
    room.limiter.waitChanged();
    await room.clock.advance(499);
    expect(room.limiter.pending).toBe(1);
    await room.clock.advance(1);
    await refused;
  });

  it('is full for the less critical first, and has a reserve for the most critical', async () => {
    const waiting = criticalities.map((criticality) => {
      const room = new Room(0, 4);
      for (let index = 0; index < 10; index++) room.enter(fakeCommand({ criticality })).catch(() => {});
      return room.limiter.pending;
    });
    expect(waiting).toEqual([2, 3, 4, 5]);
    await expect(new Room(0, 0).enter(fakeCommand({ criticality: 'critical-plus' }))).rejects.toThrow();
  });

  it('does what its model does, waits included', async () => {
    const step = fc.oneof(
      fc.constantFrom('enter' as const, 'enter' as const, 'leave' as const, 'cancel' as const),
      fc.integer({ min: 1, max: 60 }),
    );
    const maxMs = 100;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const room = new Room(1, 4, () => maxMs);
        const ends = new Map<Operation, string>();
        let queue: { operation: Operation; until: number }[] = [];
        const expected = new Map<Operation, string>();
        let free = 1;
        for (const kind of steps) {
          const now = room.clock.now();
          if (kind === 'enter') {
            const operation = fakeCommand();
            room.enter(operation).then(
              () => ends.set(operation, 'started'),
              (error) => ends.set(operation, error.code ?? error),
            );
            if (free > 0) {
              free--;
              expected.set(operation, 'started');
            } else if (queue.length >= 4) expected.set(operation, 'INMESH_OVERFLOW');
            else queue.push({ operation, until: now + maxMs });
          } else if (kind === 'leave') {
            room.leave();
            const [next] = queue.splice(0, 1);
            if (next === undefined) free++;
            else expected.set(next.operation, 'started');
          } else if (kind === 'cancel') {
            const [given] = queue.splice(-1, 1);
            given?.operation.cancel('enough');
            if (given !== undefined) expected.set(given.operation, 'enough');
          }
          await room.clock.advance(typeof kind === 'number' ? kind : 0);
          const late = queue.filter(({ until }) => until <= room.clock.now());
          for (const { operation } of late) expected.set(operation, 'INMESH_OVERFLOW');
          queue = queue.filter(({ until }) => until > room.clock.now());
          expect(ends).toEqual(expected);
          expect(room.limiter.pending).toBe(queue.length);
          expect(room.clock.pendingTimers).toBe(queue.length > 0 ? 1 : 0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('keeps order and bounds whatever happens', async () => {
    const step = fc.constantFrom('enter', 'enter', 'leave', 'cancel', 'settle');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const room = new Room(2, 5);
        const waiting: Operation[] = [];
        const arrived: Operation[] = [];
        for (const kind of steps) {
          if (kind === 'enter') {
            const operation = fakeCommand();
            arrived.push(operation);
            waiting.push(operation);
            room.enter(operation).catch(() => {});
          } else if (kind === 'leave') {
            if (room.started.length > 0) room.leave();
          } else if (kind === 'cancel') waiting.shift()?.cancel('enough');
          else await settled();
          expect(room.places).toBeGreaterThanOrEqual(0);
          expect(room.limiter.pending).toBeLessThanOrEqual(5);
        }
        await settled();
        expect(room.started).toEqual(arrived.filter((operation) => room.started.includes(operation)));
        expect(room.places === 0 || room.limiter.pending === 0).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});
