import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/core/operation.ts';
import { Limiter } from '../../../src/resilience/limit/limiter.ts';
import { fakeCommand } from '../fake-call.ts';

/** A limiter whose users take a place when they start, as a cluster does. */
class Room {
  places: number;
  readonly started: Operation[] = [];
  readonly limiter: Limiter;

  constructor(places: number, maxPending = 10) {
    this.places = places;
    this.limiter = new Limiter({ service: 'reviews', maxPending: () => maxPending, canStart: () => this.places > 0 });
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
