import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/core/errors.ts';
import type { Member } from '../../../src/core/member.ts';
import { failure, ignored } from '../../../src/core/outcome.ts';
import type { Reply } from '../../../src/core/reply.ts';
import { OutlierDetector } from '../../../src/resilience/outlier/outlier-detection.ts';
import { outlierFilter } from '../../../src/resilience/outlier/outlier-filter.ts';
import { outlierDefaults } from '../../../src/resilience/outlier/outlier-options.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { fakeMembers } from '../../balancing/fake-member.ts';
import { fakeAttempt, fakeCall } from '../fake-call.ts';
import { FakeReply } from '../fake-reply.ts';

function setUp() {
  const clock = new VirtualClock();
  const ejected: Member[] = [];
  const detector = new OutlierDetector({
    service: 'reviews',
    clock,
    options: outlierDefaults,
    waiting: () => [],
    groupOf: () => '',
    onEject: (member) => ejected.push(member),
    onUneject: () => {},
  });
  const members = fakeMembers(3);
  const records = new Map(members.map((member) => [member as Member, detector.join(member)]));
  const filter = outlierFilter({ clock, detector, recordOf: (member) => records.get(member) });
  const [member] = members as [Member];
  const run = (end: () => Promise<Reply>) => filter.apply(fakeAttempt(fakeCall(), member), end);
  return { ejected, filter, member, run };
}

describe('outlierFilter', () => {
  it('counts bad heads and hands them on', async () => {
    const { ejected, member, run } = setUp();
    const reply = new FakeReply(503, { streaming: true });
    for (let attempt = 0; attempt < 5; attempt++) expect(await run(async () => reply)).toBe(reply);
    expect(ejected).toEqual([member]);
  });

  it('counts errors and hands them on', async () => {
    const { ejected, run } = setUp();
    const error = new MeshError('INMESH_ATTEMPT_TIMEOUT', 'reviews: too long');
    for (let attempt = 0; attempt < 5; attempt++) await expect(run(() => Promise.reject(error))).rejects.toBe(error);
    expect(ejected).toHaveLength(1);
  });

  it('counts bodies that break off, though each has a good head', async () => {
    const { ejected, run } = setUp();
    for (let attempt = 0; attempt < 5; attempt++) {
      const reply = new FakeReply(200, { streaming: true });
      await run(async () => reply);
      reply.end(failure('reset'));
    }
    expect(ejected).toHaveLength(1);
  });

  it('takes a good head for a success when nobody waited for the body, or when it is there', async () => {
    for (const finish of [(reply: FakeReply) => reply.end(ignored), (reply: FakeReply) => reply.end()]) {
      const { ejected, run } = setUp();
      for (let attempt = 0; attempt < 8; attempt++) {
        const reply = attempt === 4 ? new FakeReply(200, { streaming: true }) : new FakeReply(500);
        await run(async () => reply);
        finish(reply);
      }
      expect(ejected).toEqual([]);
    }
  });

  it('does not count a caller who gives up', async () => {
    const { ejected, run } = setUp();
    for (let attempt = 0; attempt < 9; attempt++) await run(() => Promise.reject(new Error('enough'))).catch(() => {});
    expect(ejected).toEqual([]);
  });

  it('lets attempts at unknown members pass', async () => {
    const { filter } = setUp();
    const reply = new FakeReply(500);
    expect(await filter.apply(fakeAttempt(), async () => reply)).toBe(reply);
  });
});
