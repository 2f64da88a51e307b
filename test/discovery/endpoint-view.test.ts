import { describe, expect, it } from 'vitest';
import { type Endpoint, endpointKey, makeEndpoint } from '../../src/core/endpoint.ts';
import { EndpointView } from '../../src/discovery/endpoint-view.ts';
import type { EndpointChange } from '../../src/discovery/registry.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** A clock on which every look at the time takes a moment, so that work is cut into slices. */
class WorkingClock extends VirtualClock {
  private worked = 0;

  override now(): number {
    this.worked += 1;
    return super.now() + this.worked;
  }
}

function openView(clock = new VirtualClock()) {
  const changes: EndpointChange[] = [];
  const failures: string[] = [];
  /** How many were shown after each change. */
  const sizes: number[] = [];
  const shown = new Map<string, Endpoint>();
  let absences = 0;
  const view = new EndpointView({
    clock,
    name: 'test: reviews',
    options: { holds: true, holdMs: 30_000, coalesceMs: 10 },
    changed: () => {},
    sink: {
      set: (change) => {
        changes.push(change);
        if ('full' in change) shown.clear();
        else for (const key of change.removed) shown.delete(key);
        for (const one of 'full' in change ? change.full : change.put) shown.set(endpointKey(one), one);
        sizes.push(shown.size);
        return { accepted: true };
      },
      absent: () => {
        absences++;
        shown.clear();
      },
      failed: (error) => void failures.push(error.message),
    },
  });
  return { view, clock, changes, shown, sizes, failures, absences: () => absences };
}

function range(from: number, to: number): Endpoint[] {
  return Array.from({ length: to - from }, (_, index) => {
    const host = from + index;
    return makeEndpoint({ host: `10.0.${host >> 8}.${host & 255}`, port: 80 });
  });
}

describe('a view of endpoints', () => {
  it('hands on what differs, and nothing when nothing does', () => {
    const { view, changes } = openView();
    view.set({ full: range(0, 3) }, '1');
    view.set({ full: range(0, 3) }, '2');
    view.set({ full: range(1, 4) }, '3');
    expect(changes).toEqual([{ full: range(0, 3) }, { put: range(3, 4), removed: ['10.0.0.0:80'] }]);
  });

  it('hands a burst of changes of a large set on together, the first at once', async () => {
    const { view, changes, clock, shown } = openView();
    view.set({ full: range(0, 1_000) }, '1');
    const before = changes.length;
    for (let change = 0; change < 1_000; change++)
      view.set({ put: range(1_000 + change, 1_001 + change), removed: [] }, '2');
    await clock.advance(10);
    expect(shown.size).toBe(2_000);
    expect(changes.length - before).toBeLessThanOrEqual(2_000 / 100 + 1);
    view.set({ put: [], removed: ['10.0.0.0:80'] }, '3');
    await clock.advance(20);
    view.set({ put: [], removed: ['10.0.0.1:80'] }, '4');
    expect(shown.size).toBe(1_998);
  });

  it('does much work in slices, and takes what comes meanwhile after it', async () => {
    const { view, shown, clock } = openView(new WorkingClock());
    const first = view.set({ full: range(0, 5_000) }, '1');
    expect(first).toBeInstanceOf(Promise);
    expect(shown.size).toBeLessThan(5_000);
    const second = view.set({ put: range(5_000, 5_001), removed: [endpointKey(range(0, 1)[0] as Endpoint)] }, '2');
    expect(await first).toEqual({ accepted: true });
    expect(await second).toEqual({ accepted: true });
    while (shown.size !== 5_000) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(1);
    }
    expect(shown.has('10.0.0.0:80')).toBe(false);
    expect(shown.has('10.0.19.136:80')).toBe(true);
  });

  it('shows at no time fewer than before and after while all of them are replaced', async () => {
    const { view, clock, sizes, shown } = openView();
    view.set({ full: range(0, 600) }, '1');
    await clock.advance(10);
    sizes.length = 0;
    view.set({ full: range(1_000, 1_600) }, '2');
    await clock.advance(10);
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.min(...sizes)).toBe(600);
    expect(shown.has('10.0.0.0:80')).toBe(false);
  });

  it('refuses a change with an endpoint that is none, says so, and changes nothing', () => {
    const { view, failures, shown } = openView();
    view.set({ full: range(0, 2) }, '1');
    const bad = { ...range(2, 3)[0], port: 0 } as Endpoint;
    expect(view.set({ full: [bad] }, '2')).toMatchObject({ accepted: false });
    expect(failures[0]).toContain('test: reviews: endpoints[0]: 10.0.0.2:0 is no address');
    expect(shown.size).toBe(2);
  });

  it('lets go of what it holds when its time is over, counted from when the last of it vanished', async () => {
    const { view, shown, clock, failures } = openView();
    view.set({ full: range(0, 8) }, '1');
    view.set({ full: range(0, 2) }, '2');
    expect(failures[0]).toContain('6 of 8 endpoints vanished at once; they are kept for 30000 ms');
    await clock.advance(20_000);
    view.set({ full: range(0, 1) }, '3');
    expect(shown.size).toBe(8);
    await clock.advance(29_999);
    expect(shown.size).toBe(8);
    await clock.advance(1);
    expect(shown.size).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('holds what vanishes one by one once half of the most of the last 30 s is gone', async () => {
    const { view, shown, clock } = openView();
    view.set({ full: range(0, 10) }, '1');
    for (let left = 9; left >= 1; left--) {
      await clock.advance(1_000);
      view.set({ full: range(0, left) }, String(11 - left));
    }
    expect(shown.size).toBe(5);
    await clock.advance(30_000);
    expect(shown.size).toBe(1);
  });

  it('believes what goes slowly, and what is replaced one by one', async () => {
    const { view, shown, clock } = openView();
    view.set({ full: range(0, 10) }, '1');
    for (let left = 9; left >= 1; left--) {
      await clock.advance(31_000);
      view.set({ full: range(0, left) }, 'slow');
    }
    expect(shown.size).toBe(1);
    view.set({ full: range(0, 10) }, 'again');
    for (let step = 1; step <= 10; step++) {
      view.set({ put: range(9 + step, 10 + step), removed: [] }, 'in');
      view.set({ put: [], removed: [`10.0.0.${step - 1}:80`] }, 'out');
      expect(shown.size).toBe(10);
    }
  });

  it.each([
    ['null', null],
    ['no removed keys', { put: [] }],
    ['removed keys that are no texts', { put: [], removed: [1] }],
  ])('refuses %s for a change', (_what, change) => {
    const { view, failures } = openView();
    expect(view.set(change as never, '1')).toMatchObject({ accepted: false });
    expect(failures).toHaveLength(1);
  });

  it('lets go of what it holds when one of those refuses a connection, not when another does', () => {
    const { view, shown, clock } = openView();
    view.set({ full: range(0, 8) }, '1');
    view.set({ full: range(0, 2) }, '2');
    view.refused('10.0.0.1:80');
    expect(shown.size).toBe(8);
    view.refused('10.0.0.5:80');
    expect(shown.size).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not hold what has refused a connection within the time of a hold', async () => {
    const { view, shown, clock } = openView();
    view.set({ full: range(0, 8) }, '1');
    view.refused('10.0.0.7:80');
    await clock.advance(30_001);
    view.refused('10.0.0.6:80');
    await clock.advance(30_000);
    view.set({ full: range(0, 2) }, '2');
    expect([...shown.keys()].map((key) => key.slice(7))).toEqual([
      '0:80',
      '1:80',
      '2:80',
      '3:80',
      '4:80',
      '5:80',
      '7:80',
    ]);
    await clock.advance(30_000);
    expect(shown.size).toBe(2);
  });

  it('lets go of none but those that refuse while the registry names nobody', async () => {
    const { view, shown, absences, clock } = openView();
    view.set({ full: range(0, 6) }, '1');
    view.refused('10.0.0.1:80');
    await clock.advance(1);
    view.set({ full: [] }, '2');
    expect(shown.size).toBe(6);
    view.refused('10.0.0.2:80');
    expect([...shown.keys()].map((key) => key.slice(7))).toEqual(['0:80', '1:80', '3:80', '4:80', '5:80']);
    view.set({ full: range(0, 1) }, '3');
    view.refused('10.0.0.4:80');
    expect([[...shown.keys()], absences()]).toEqual([['10.0.0.0:80'], 0]);
  });

  it('holds all of them when the registry says that it has no such service', async () => {
    const { view, shown, absences, clock } = openView();
    view.set({ full: range(0, 2) }, '1');
    view.absent('2');
    expect([shown.size, absences()]).toEqual([2, 0]);
    await clock.advance(30_000);
    expect([shown.size, absences()]).toEqual([0, 1]);
    expect(view.endpoints).toEqual([]);
  });

  it('shows what was known before only as long as the registry has told nothing', () => {
    const { view, shown } = openView();
    view.recall(range(0, 2), 'last known');
    expect(shown.size).toBe(2);
    view.set({ full: range(0, 3) }, '1');
    view.recall(range(0, 1), 'last known');
    expect(shown.size).toBe(3);
  });

  it('answers those who wait for a verdict when it is closed, and is silent then', async () => {
    const { view, shown, clock } = openView(new WorkingClock());
    const verdict = view.set({ full: range(0, 5_000) }, '1');
    view.close();
    expect(await verdict).toEqual({ accepted: true });
    const before = shown.size;
    await new Promise((resolve) => setImmediate(resolve));
    expect(shown.size).toBe(before);
    expect(clock.pendingTimers).toBe(0);
  });
});
