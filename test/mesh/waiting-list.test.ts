import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Waiting, WaitingList } from '../../src/mesh/waiting-list.ts';

describe('WaitingList', () => {
  it('has nobody who waits at first, and after the last has left', () => {
    const list = new WaitingList();
    expect(list.oldest).toBe(Number.POSITIVE_INFINITY);
    list.remove(list.add(5));
    expect(list.oldest).toBe(Number.POSITIVE_INFINITY);
  });

  it('ignores an entry that has left already', () => {
    const list = new WaitingList();
    const first = list.add(1);
    list.remove(first);
    list.add(2);
    list.remove(first);
    expect(list.oldest).toBe(2);
  });

  it('knows the oldest entry in whatever order they leave', () => {
    const step = fc.oneof(fc.constant('add' as const), fc.nat({ max: 20 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const list = new WaitingList();
        const present: Waiting[] = [];
        let now = 0;
        for (const next of steps) {
          if (next === 'add') present.push(list.add(now++));
          else for (const gone of present.splice(next, 1)) list.remove(gone);
          expect(list.oldest).toBe(present[0]?.startedAt ?? Number.POSITIVE_INFINITY);
        }
      }),
    );
  });

  it('lets go of its neighbours with an entry that leaves', () => {
    const list = new WaitingList();
    const entries = [list.add(1), list.add(2), list.add(3)];
    list.remove(entries[1] as Waiting);
    expect(entries[1]).toMatchObject({ previous: undefined, next: undefined, listed: false });
    expect(entries[0]?.next).toBe(entries[2]);
  });
});
