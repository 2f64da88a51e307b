import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { events } from '../../../src/core/events.ts';
import type { Member } from '../../../src/core/member.ts';
import { failure, ignored, success } from '../../../src/core/outcome.ts';
import { OutlierDetector, type OutlierRecord } from '../../../src/resilience/outlier/outlier-detection.ts';
import { type OutlierOptions, outlierDefaults } from '../../../src/resilience/outlier/outlier-options.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeMembers } from '../../balancing/fake-member.ts';

class Service {
  readonly clock = new VirtualClock();
  readonly ejected = new Set<Member>();
  readonly ejections: string[] = [];
  readonly detector: OutlierDetector;
  readonly records: OutlierRecord[];

  constructor(members: number, options: Partial<OutlierOptions> = {}) {
    this.detector = new OutlierDetector({
      service: 'reviews',
      clock: this.clock,
      options: { ...outlierDefaults, ...options },
      waiting: () => [],
      groupOf: () => '',
      onEject: (member, cause, ejectionMs) => {
        this.ejected.add(member);
        this.ejections.push(`${member.endpoint.port} ${cause} ${ejectionMs}`);
      },
      onUneject: (member) => this.ejected.delete(member),
    });
    this.records = fakeMembers(members).map((member) => this.detector.join(member));
  }

  record(index: number): OutlierRecord {
    return this.records[index] as OutlierRecord;
  }

  status(index: number, ...statuses: number[]): void {
    for (const status of statuses) {
      const outcome = status >= 500 ? failure('status') : success;
      this.detector.onResult(this.record(index), outcome, status, this.clock.now());
    }
  }

  broken(index: number, times: number): void {
    for (let time = 0; time < times; time++) {
      this.detector.onResult(this.record(index), failure('reset'), undefined, this.clock.now());
    }
  }
}

describe('OutlierDetector', () => {
  it('ejects after five failures in a row', () => {
    const service = new Service(3);
    service.status(0, 500, 500, 500, 500);
    expect(service.ejections).toEqual([]);
    service.status(0, 500);
    expect(service.ejections).toEqual(['1 consecutive-5xx 30000']);
    expect(service.detector.ejectedCount).toBe(1);
  });

  it('starts to count again after a success', () => {
    const service = new Service(3);
    service.status(0, 500, 500, 500, 500, 200, 500, 500, 500, 500);
    expect(service.ejections).toEqual([]);
  });

  it('counts failures without a head among 5xx', () => {
    const service = new Service(3);
    service.status(0, 500, 500, 500);
    service.broken(0, 2);
    expect(service.ejections).toEqual(['1 consecutive-5xx 30000']);
  });

  it('has a criterion for gateway errors', () => {
    const service = new Service(3, { consecutive5xxErrors: 0, consecutiveGatewayErrors: 2 });
    service.status(0, 502, 500, 503, 500);
    expect(service.ejections).toEqual([]);
    service.status(0, 502, 504);
    expect(service.ejections).toEqual(['1 consecutive-gateway-errors 30000']);
  });

  it('has a criterion for failures of local origin, which any head resets', () => {
    const service = new Service(3, { consecutive5xxErrors: 0, consecutiveLocalOriginFailures: 3 });
    service.broken(0, 2);
    service.status(0, 500);
    service.broken(0, 2);
    expect(service.ejections).toEqual([]);
    service.broken(0, 1);
    expect(service.ejections).toEqual(['1 consecutive-local-origin-failures 30000']);
  });

  it('ejects nobody when every criterion is 0', () => {
    const off = { consecutive5xxErrors: 0, consecutiveGatewayErrors: 0, consecutiveLocalOriginFailures: 0 };
    const service = new Service(3, off);
    service.broken(0, 100);
    expect(service.ejections).toEqual([]);
  });

  it('counts neither cancellations nor errors of our own making', () => {
    const service = new Service(3, { consecutive5xxErrors: 1, consecutiveLocalOriginFailures: 1 });
    for (const outcome of [ignored, failure('overflow'), failure('other')]) {
      service.detector.onResult(service.record(0), outcome, undefined, 0);
    }
    expect(service.ejections).toEqual([]);
  });

  it('readmits at the first look after the ejection, and has a background timer only until then', async () => {
    const service = new Service(3, { baseEjectionMs: 25_000 });
    expect(service.clock.pendingTimers).toBe(0);
    service.broken(0, 5);
    expect(service.clock.pendingBackgroundTimers).toBe(1);
    await service.clock.advance(29_999);
    expect(service.ejected.size).toBe(1);
    await service.clock.advance(1);
    expect(service.ejected.size).toBe(0);
    expect(service.clock.pendingTimers).toBe(0);
  });

  it('wants a full row of failures again after an ejection', async () => {
    const service = new Service(3);
    service.broken(0, 5);
    await service.clock.advance(30_000);
    service.broken(0, 4);
    expect(service.ejected.size).toBe(0);
    service.broken(0, 1);
    expect(service.ejected.size).toBe(1);
  });

  it('ejects for longer each time in a row, up to the maximum, and forgets one time for each good interval', async () => {
    const service = new Service(3, { maxEjectionMs: 80_000 });
    service.broken(0, 5);
    await service.clock.advance(30_000);
    service.broken(0, 5);
    await service.clock.advance(60_000);
    service.broken(0, 5);
    await service.clock.advance(80_000);
    await service.clock.advance(20_000);
    service.broken(0, 5);
    expect(service.ejections.map((ejection) => ejection.split(' ')[2])).toEqual(['30000', '60000', '80000', '60000']);
  });

  it('ejects at most the share of the members, but one is always allowed', () => {
    const half = new Service(5);
    for (let member = 0; member < 5; member++) half.broken(member, 5);
    expect(half.ejected.size).toBe(2);
    const tenth = new Service(3, { maxEjectionPercent: 10 });
    for (let member = 0; member < 3; member++) tenth.broken(member, 5);
    expect(tenth.ejected.size).toBe(1);
  });

  it('never ejects the last member, nor anybody at 0 percent', () => {
    const lonely = new Service(1);
    lonely.broken(0, 50);
    expect(lonely.ejected.size).toBe(0);
    const all = new Service(2, { maxEjectionPercent: 100 });
    for (let member = 0; member < 2; member++) all.broken(member, 5);
    expect(all.ejected.size).toBe(1);
    const none = new Service(4, { maxEjectionPercent: 0 });
    none.broken(0, 50);
    expect(none.ejected.size).toBe(0);
  });

  it('ejects a member above the share with its next failure once there is room', async () => {
    const service = new Service(2);
    service.broken(0, 5);
    service.broken(1, 5);
    await service.clock.advance(30_000);
    service.broken(1, 1);
    expect([...service.ejected]).toEqual([service.record(1).member]);
  });

  it('readmits the next to return when those who stay are too few', () => {
    const service = new Service(4);
    service.broken(0, 5);
    service.broken(1, 5);
    expect(service.ejected.size).toBe(2);
    service.detector.leave(service.record(2));
    service.detector.leave(service.record(3));
    expect([...service.ejected]).toEqual([service.record(1).member]);
  });

  it('forgets a member that left, ejected or not', () => {
    const service = new Service(4);
    service.broken(0, 5);
    service.detector.leave(service.record(0));
    expect(service.detector.ejectedCount).toBe(0);
    expect(service.clock.pendingTimers).toBe(0);
    service.broken(0, 5);
    expect(service.detector.ejectedCount).toBe(0);
  });

  it('does not count what a member that left still answers', () => {
    const service = new Service(4);
    service.detector.leave(service.record(0));
    service.broken(0, 5);
    expect(service.ejections).toEqual([]);
  });

  it('does not prolong an ejection by what was under way, or sent in panic', async () => {
    const service = new Service(6);
    service.broken(0, 5);
    await service.clock.advance(15_000);
    service.broken(0, 5);
    expect(service.ejections).toHaveLength(1);
    await service.clock.advance(15_000);
    expect(service.ejected.size).toBe(0);
  });

  it('stops when it is closed', async () => {
    const service = new Service(4);
    service.broken(0, 5);
    service.detector.close();
    expect(service.clock.pendingTimers).toBe(0);
    service.broken(1, 5);
    expect(service.ejections).toHaveLength(1);
    expect(service.clock.pendingTimers).toBe(0);
  });

  it('publishes ejections and their ends', async () => {
    const messages: unknown[] = [];
    const listener = (message: unknown) => void messages.push(message);
    for (const channel of [events.eject, events.uneject]) {
      channel.subscribe(listener);
      onTestFinished(() => void channel.unsubscribe(listener));
    }
    const service = new Service(3);
    service.broken(0, 5);
    await service.clock.advance(30_000);
    expect(messages).toEqual([
      { service: 'reviews', endpoint: '127.0.0.1:1', cause: 'consecutive-5xx', ejectionMs: 30_000 },
      { service: 'reviews', endpoint: '127.0.0.1:1' },
    ]);
  });

  it('keeps the number of ejections within bounds whatever happens', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('fail' as const), member: fc.nat(9) }),
      fc.record({ kind: fc.constant('leave' as const), member: fc.nat(9) }),
      fc.record({ kind: fc.constant('wait' as const), member: fc.nat(3) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 10, 50, 100), async (steps, percent) => {
        const service = new Service(6, { maxEjectionPercent: percent });
        const present = new Set(service.records);
        for (const { kind, member } of steps) {
          const record = service.records[member % 6] as OutlierRecord;
          if (kind === 'fail') service.broken(member % 6, 5);
          else if (kind === 'wait') await service.clock.advance(member * 15_000);
          else if (present.delete(record)) {
            service.detector.leave(record);
            service.ejected.delete(record.member);
          }
          const count = present.size;
          const most = percent === 0 ? 0 : Math.max(1, Math.floor((count * percent) / 100));
          expect(service.ejected.size).toBeLessThanOrEqual(Math.max(0, Math.min(count - 1, most)));
          expect(service.detector.ejectedCount).toBe(service.ejected.size);
          expect(service.clock.pendingTimers).toBe(service.ejected.size > 0 ? 1 : 0);
        }
      }),
      { numRuns: 40 },
    );
  });
});
