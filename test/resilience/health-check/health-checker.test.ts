import { describe, expect, it, onTestFinished } from 'vitest';
import { events } from '../../../src/core/events.ts';
import type { Member } from '../../../src/core/member.ts';
import { healthCheckDefaults } from '../../../src/resilience/health-check/health-check-options.ts';
import { HealthChecker, type HealthVerdict } from '../../../src/resilience/health-check/health-checker.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeMembers } from '../../balancing/fake-member.ts';

function setUp(count = 1) {
  const clock = new VirtualClock();
  const asked: Member[] = [];
  const changes: string[] = [];
  const bad = new Set<Member>();
  const state = {
    failures: 0,
    answer: (member: Member): Promise<HealthVerdict> => Promise.resolve(bad.has(member) ? 'status 500' : undefined),
  };
  const checker = new HealthChecker({
    service: 'reviews',
    clock,
    random: { next: () => 0.5 },
    options: { ...healthCheckDefaults, http: undefined },
    ask: (member) => {
      asked.push(member);
      return state.answer(member);
    },
    onFailure: () => {
      state.failures++;
    },
    onChange: (member, verdict) => changes.push(`${member.endpoint.port} ${verdict ?? 'well'}`),
  });
  const members = fakeMembers(count) as Member[];
  for (const member of members) checker.join(member);
  /** The time between two checks. */
  const interval = () => clock.advance(5_250);
  return { clock, checker, asked, changes, bad, state, members, member: members[0] as Member, interval };
}

describe('HealthChecker', () => {
  it('asks at once, and again after each interval with its jitter, by a background timer', async () => {
    const { clock, asked } = setUp();
    await clock.advance(0);
    expect(asked).toHaveLength(1);
    expect(clock.pendingBackgroundTimers).toBe(clock.pendingTimers);
    await clock.advance(5_249);
    expect(asked).toHaveLength(1);
    await clock.advance(1);
    expect(asked).toHaveLength(2);
  });

  it('believes the first check', async () => {
    const { clock, changes, bad, member } = setUp();
    bad.add(member);
    await clock.advance(0);
    expect(changes).toEqual([]);
  });

  it('finds a member unhealthy after three bad checks in a row, and healthy after two good ones', async () => {
    const { changes, bad, member, interval, state } = setUp();
    await interval();
    bad.add(member);
    await interval();
    await interval();
    bad.clear();
    await interval();
    bad.add(member);
    await interval();
    await interval();
    expect(changes).toEqual([]);
    await interval();
    expect(changes).toEqual(['1 status 500']);
    expect(state.failures).toBe(5);
    bad.clear();
    await interval();
    expect(changes).toHaveLength(1);
    await interval();
    expect(changes).toEqual(['1 status 500', '1 well']);
  });

  it('has at most a hundred checks open, and the others wait their turn', async () => {
    const open: ((verdict: HealthVerdict) => void)[] = [];
    const { clock, asked, checker, members, state } = setUp(0);
    state.answer = () => new Promise((resolve) => open.push(resolve));
    for (const member of fakeMembers(150)) checker.join(member);
    expect(asked).toHaveLength(100);
    open[0]?.(undefined);
    await clock.advance(0);
    expect(asked).toHaveLength(101);
    expect(members).toEqual([]);
  });

  it('keeps its verdicts under other options, and asks at once and as often as these say', async () => {
    const { clock, checker, asked, changes, bad, member, state, interval } = setUp();
    await interval();
    bad.add(member);
    for (let check = 0; check < 3; check++) await interval();
    expect(changes).toEqual(['1 status 500']);
    asked.length = 0;
    checker.configure({ ...healthCheckDefaults, http: undefined, intervalMs: 1_000, jitterMs: 0, healthyThreshold: 3 });
    await clock.advance(0);
    expect([asked.length, changes.length, state.failures]).toEqual([1, 1, 4]);
    bad.clear();
    await clock.advance(2_000);
    expect([asked.length, changes.length]).toEqual([3, 1]);
    await clock.advance(1_000);
    expect(changes).toEqual(['1 status 500', '1 well']);
  });

  it('does not ask a second time, when options change, who is being asked', async () => {
    const { clock, checker, asked, state } = setUp(0);
    let answer: ((verdict: HealthVerdict) => void) | undefined;
    state.answer = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    for (const member of fakeMembers(1)) checker.join(member);
    checker.configure({ ...healthCheckDefaults, http: undefined, intervalMs: 100, jitterMs: 0 });
    await clock.advance(1_000);
    expect(asked).toHaveLength(1);
    answer?.(undefined);
    await clock.advance(100);
    expect(asked).toHaveLength(2);
  });

  it('does not hear what is answered after the member left, or all was closed', async () => {
    const { clock, checker, state, member, changes, asked } = setUp();
    await clock.advance(0);
    let answer: ((verdict: HealthVerdict) => void) | undefined;
    state.answer = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    checker.leave(member);
    expect(clock.pendingTimers).toBe(0);
    checker.join(member);
    checker.close();
    answer?.('reset');
    await clock.advance(60_000);
    expect([changes, asked.length, clock.pendingTimers]).toEqual([[], 2, 0]);
  });

  it('publishes what changes', async () => {
    const told: unknown[] = [];
    const listener = (message: unknown) => void told.push(message);
    events.health.subscribe(listener);
    onTestFinished(() => void events.health.unsubscribe(listener));
    const { bad, member, interval } = setUp();
    await interval();
    bad.add(member);
    for (let check = 0; check < 3; check++) await interval();
    bad.clear();
    for (let check = 0; check < 2; check++) await interval();
    expect(told).toEqual([
      { service: 'reviews', endpoint: '127.0.0.1:1', healthy: false, cause: 'status 500' },
      { service: 'reviews', endpoint: '127.0.0.1:1', healthy: true, cause: undefined },
    ]);
  });
});
