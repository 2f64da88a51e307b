import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { EtcdRefusal, etcdCodes, etcdError } from '../../../src/discovery/etcd/etcd-errors.ts';
import { EtcdStreams, etcdStreamsDefaults } from '../../../src/discovery/etcd/etcd-streams.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { FakeEtcdStreams, FakeFollower, type FakeStream } from './fake-etcd-streams.ts';

let clock: VirtualClock;
let etcd: FakeEtcdStreams;
let streams: EtcdStreams;
let timesBack: number;

beforeEach(() => {
  clock = new VirtualClock();
  etcd = new FakeEtcdStreams();
  timesBack = 0;
  streams = open();
});

function open(): EtcdStreams {
  const isBack = () => {
    timesBack++;
  };
  return new EtcdStreams({ source: etcd, clock, random: seededRandom(1), options: etcdStreamsDefaults, isBack });
}

/** Passes the moment that a stream waits for further watches. */
const quietMs = etcdStreamsDefaults.quietMs;

function join(prefix: string, next = etcd.revision + 1): FakeFollower {
  const follower = new FakeFollower(prefix, next);
  streams.join(follower);
  return follower;
}

function newest(): FakeStream {
  return etcd.streams.at(-1) as FakeStream;
}

/** A stream for each of these prefixes. */
async function joinEach(prefixes: readonly string[]): Promise<FakeFollower[]> {
  const followers: FakeFollower[] = [];
  for (const prefix of prefixes) {
    followers.push(join(prefix));
    await clock.advance(quietMs);
    newest().confirm();
    await clock.advance(0);
  }
  return followers;
}

const eight = ['a/', 'b/', 'c/', 'd/', 'e/', 'f/', 'g/', 'h/'];

describe('EtcdStreams', () => {
  it('lets watches share a stream that begin within a moment', async () => {
    const [a, b] = [join('a/'), join('b/')];
    await clock.advance(quietMs);
    expect(etcd.streams).toHaveLength(1);
    newest().confirm();
    etcd.write('a/1');
    etcd.write('b/1');
    newest().tell();
    await clock.advance(0);
    expect([a.keys, b.keys]).toEqual([['a/1'], ['b/1']]);
    expect([a.states, b.states]).toEqual([['following'], ['following']]);
  });

  it('lets nobody wait for more than 100 ms for others', async () => {
    for (let at = 0; at < 50; at++) {
      join(`${at}/`);
      await clock.advance(quietMs - 1);
    }
    expect(etcd.streams.length).toBeGreaterThan(0);
    expect(newest().watches.length).toBeLessThanOrEqual(26);
  });

  it('ends the body of several watches with what keeps the server reading, and not that of one', async () => {
    await joinEach(['a/']);
    expect(newest().body).toMatch(/^\{.*\}\n$/);
    join('b/');
    join('c/');
    await clock.advance(quietMs);
    expect(newest().body.length).toBeGreaterThan(256 * 1024);
    expect(newest().body.trim().split('\n')).toHaveLength(2);
  });

  it('reads lines that are cut anywhere, also within a character', async () => {
    const a = join('ä/');
    await clock.advance(quietMs);
    const reason = Buffer.from('{"result":{"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"€ ö"}}\n');
    for (let at = 0; at < reason.length; at++) newest().sendBytes(reason.subarray(at, at + 1));
    await clock.advance(0);
    expect(a.states).toEqual(['lost: € ö']);
  });

  it('begins anew after a line that is nonsense', async () => {
    const [a] = await joinEach(['a/']);
    await clock.advance(1_000);
    newest().sendBytes(Buffer.from('<html>\n'));
    await clock.advance(quietMs);
    newest().confirm();
    await clock.advance(0);
    expect(etcd.streams).toHaveLength(2);
    expect(a?.states).toEqual(['following', 'following']);
  });

  it('merges streams when there would be more than eight, and ends the old ones', async () => {
    const followers = await joinEach(eight);
    expect(etcd.open).toHaveLength(8);
    followers.push(join('i/'));
    await clock.advance(quietMs);
    expect(etcd.open).toHaveLength(9);
    expect(newest().watches).toHaveLength(9);
    // The old streams tell until the new one is confirmed.
    etcd.write('a/1');
    etcd.streams[0]?.tell();
    await clock.advance(0);
    expect(followers[0]?.keys).toEqual(['a/1']);
    newest().confirm();
    newest().tell();
    await clock.advance(0);
    expect(etcd.open).toEqual([newest()]);
    expect(followers[0]?.keys).toEqual(['a/1']);
    etcd.write('a/2');
    newest().tell();
    await clock.advance(0);
    expect(followers[0]?.keys).toEqual(['a/1', 'a/2']);
  });

  it('drops what an old stream tells after the new one is confirmed', async () => {
    const [a] = await joinEach(eight);
    join('i/');
    await clock.advance(quietMs);
    newest().confirm();
    etcd.write('a/1');
    newest().tell();
    etcd.streams[0]?.tell();
    await clock.advance(0);
    expect(a?.keys).toEqual(['a/1']);
  });

  it('asks from where a watch broke off, at once when the stream was sound', async () => {
    const [a] = await joinEach(['a/']);
    etcd.write('a/1');
    newest().tell();
    await clock.advance(1_000);
    etcd.write('a/2');
    newest().break(new Error('reset'));
    await clock.advance(quietMs);
    expect(newest().watches).toMatchObject([{ prefix: 'a/', next: 3 }]);
    newest().confirm();
    newest().tell();
    await clock.advance(0);
    expect(a?.keys).toEqual(['a/1', 'a/2']);
    expect(a?.states).toEqual(['following', 'following']);
  });

  it('goes on from the revision of a notification of progress', async () => {
    await joinEach(['a/']);
    etcd.revision = 900;
    newest().send({ result: { watch_id: '1', header: etcd.header } });
    await clock.advance(1_000);
    newest().break();
    await clock.advance(quietMs);
    expect(newest().watches).toMatchObject([{ next: 901 }]);
  });

  it('tells that no member answers, and waits longer each time', async () => {
    etcd.failure = new Error('refused');
    const a = join('a/');
    await clock.advance(quietMs);
    expect(a.states).toEqual(['failed: refused']);
    await clock.advance(5_000);
    const { questions } = etcd;
    expect(questions).toBeGreaterThan(3);
    expect(questions).toBeLessThan(15);
    etcd.failure = undefined;
    await clock.advance(1_000);
    expect(a.states.at(-1)).toBe('lost');
  });

  it('does not begin a stream again and again that breaks at once', async () => {
    const a = join('a/');
    for (let ms = 0; ms < 10_000; ms += 10) {
      await clock.advance(10);
      for (const stream of etcd.open) {
        stream.confirm();
        stream.send({ error: { grpc_code: 14, message: 'etcdserver: no leader' } });
      }
    }
    expect(etcd.streams.length).toBeLessThan(60);
    expect(a.states).toContain('failed: no leader');
    expect(etcd.turnedFrom).toContain('a:2379');
  });

  it('lets a watch read again what is compacted', async () => {
    const [a, b] = [join('a/'), join('b/')];
    await clock.advance(quietMs);
    newest().confirm();
    newest().send({ result: { watch_id: '1', canceled: true, compact_revision: '7' } });
    await clock.advance(0);
    expect([a.states, b.states]).toEqual([['following', 'lost'], ['following']]);
  });

  it('knows which of several watches was refused', async () => {
    const [a, b, c] = [join('a/'), join('b/'), join('c/')];
    await clock.advance(quietMs);
    newest().confirm(1);
    const reason = 'rpc error: code = PermissionDenied desc = etcdserver: permission denied';
    newest().send({ result: { watch_id: '-1', created: true, canceled: true, cancel_reason: reason } });
    newest().send({ result: { watch_id: '3', created: true, header: etcd.header } });
    await clock.advance(0);
    expect([a.states, b.states, c.states]).toEqual([['following'], ['lost: permission denied'], ['following']]);
    etcd.write('c/1');
    newest().send({ result: { watch_id: '3', events: [{ kv: { key: 'Yy8x', mod_revision: '2' } }] } });
    await clock.advance(0);
    expect(c.keys).toEqual(['c/1']);
  });

  it('keeps what a stream has confirmed, and asks again for the rest', async () => {
    const [a, b] = [join('a/'), join('b/')];
    await clock.advance(quietMs);
    newest().confirm(1);
    await clock.advance(etcdStreamsDefaults.confirmMs);
    expect(a.states).toEqual(['following']);
    expect(b.states).toEqual(['failed: not all watches were confirmed within 10000 ms']);
    await clock.advance(1_000);
    expect(etcd.open).toHaveLength(2);
    expect(newest().watches).toMatchObject([{ prefix: 'b/' }]);
  });

  it('drops what is told to those who left, and ends a stream without any', async () => {
    const [a, b] = [join('a/'), join('b/')];
    await clock.advance(quietMs);
    newest().confirm();
    await clock.advance(0);
    streams.leave(a);
    etcd.write('a/1');
    etcd.write('b/1');
    newest().tell();
    await clock.advance(0);
    expect([a.keys, b.keys]).toEqual([[], ['b/1']]);
    streams.leave(b);
    await clock.advance(0);
    expect(etcd.open).toEqual([]);
    await clock.advance(60_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it('watches for nobody who left before the stream began', async () => {
    streams.leave(join('a/'));
    await clock.advance(1_000);
    expect([etcd.streams.length, etcd.questions, clock.pendingTimers]).toEqual([0, 0, 0]);
  });

  it.each([
    ['began anew', { revision: 3 }],
    ['has another name', { revision: 5_000, cluster: 'two' }],
    ['has had fewer elections', { revision: 5_000, term: 2 }],
  ])('loses a watch when the cluster %s', async (_, change) => {
    Object.assign(etcd, { revision: 100, term: 3 });
    const [a] = await joinEach(['a/']);
    Object.assign(etcd, change);
    newest().break(new Error('reset'));
    await clock.advance(1_000);
    expect(a?.states.at(-1)).toBe('lost');
    expect(etcd.open).toEqual([]);
  });

  it('loses a watch that broke off while no member answered, though the cluster looks the same', async () => {
    etcd.revision = 100;
    const [a] = await joinEach(['a/']);
    await clock.advance(1_000);
    etcd.failure = new Error('refused');
    newest().break(new Error('reset'));
    await clock.advance(1_000);
    expect(a?.states.at(-1)).toBe('failed: refused');
    etcd.failure = undefined;
    etcd.revision = 150;
    await clock.advance(1_000);
    expect(a?.states.at(-1)).toBe('lost');
    // Whoever has read anew goes on.
    const again = join('a/');
    await clock.advance(quietMs);
    newest().confirm();
    await clock.advance(1_000);
    newest().break(new Error('reset'));
    await clock.advance(quietMs);
    newest().confirm();
    await clock.advance(0);
    expect(again.states).toEqual(['following', 'following']);
  });

  it('says once that etcd answers after a stream broke', async () => {
    await joinEach(['a/', 'b/']);
    expect(timesBack).toBe(0);
    await clock.advance(1_000);
    etcd.failure = new Error('refused');
    for (const stream of etcd.open) stream.break(new Error('reset'));
    await clock.advance(2_000);
    expect(timesBack).toBe(0);
    etcd.failure = undefined;
    await clock.advance(2_000);
    expect(timesBack).toBe(1);
  });

  it.each([
    ['a confirmation', { watch_id: '1', created: true, header: {} }],
    ['changes', { watch_id: '1', events: 5 }],
    ['a change', { watch_id: '1', events: [{}] }],
    ['nothing', null],
  ])('does not take %s that is none of etcd', async (_, result) => {
    const a = join('a/');
    await clock.advance(quietMs);
    newest().send({ result });
    await clock.advance(0);
    expect(new Set(a.states)).toEqual(new Set(['failed: the reply is not one of etcd']));
    expect(etcd.open).toEqual([]);
  });

  it('lets all watches of a stream read anew what a line says that is too long', async () => {
    const [a, b] = [join('a/'), join('b/')];
    await clock.advance(quietMs);
    newest().confirm();
    await clock.advance(0);
    newest().sendBytes(Buffer.alloc(64 * 1024 * 1024 + 1, 'x'));
    await clock.advance(0);
    expect([a.states.at(-1), b.states.at(-1)]).toEqual(['lost', 'lost']);
    expect(etcd.open).toEqual([]);
    await clock.advance(5_000);
    expect(etcd.streams).toHaveLength(1);
  });

  it('tells a change once that an old stream is still making sense of when the new one is confirmed', async () => {
    const [a] = (await joinEach(eight)) as [FakeFollower];
    etcd.write('a/1');
    const reading = Promise.withResolvers<void>();
    a.reading = reading.promise;
    etcd.streams[0]?.tell();
    await clock.advance(0);
    join('i/');
    await clock.advance(quietMs);
    newest().confirm();
    newest().tell();
    await clock.advance(0);
    reading.resolve();
    await clock.advance(0);
    expect(a.keys).toEqual(['a/1']);
  });

  it('tells nothing to who left while it was being made sense of', async () => {
    const [a] = (await joinEach(['a/'])) as [FakeFollower];
    const reading = Promise.withResolvers<void>();
    a.reading = reading.promise;
    etcd.write('a/1');
    newest().tell();
    await clock.advance(0);
    streams.leave(a);
    reading.resolve();
    await clock.advance(0);
    expect(a.keys).toEqual([]);
  });

  it('does not begin two streams at once when one breaks young while another one begins', async () => {
    await joinEach(['a/']);
    join('b/');
    await clock.advance(quietMs);
    etcd.streams[0]?.break(new Error('reset'));
    await clock.advance(2_000);
    expect(etcd.streams).toHaveLength(2);
    newest().confirm();
    await clock.advance(quietMs);
    expect(etcd.streams).toHaveLength(3);
  });

  it('does not wait for the confirmations of a stream that all have left', async () => {
    const [a, b] = [join('a/'), join('b/')];
    await clock.advance(quietMs);
    a.following = () => {
      streams.leave(a);
      streams.leave(b);
    };
    newest().confirm();
    await clock.advance(0);
    const c = join('c/');
    await clock.advance(quietMs);
    newest().confirm();
    await clock.advance(0);
    expect(c.states).toEqual(['following']);
  });

  it('does not lose a watch that knows what was written since the question', async () => {
    let answer = () => {};
    const { position } = etcd;
    etcd.position = async () => {
      const found = await position.call(etcd);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return found;
    };
    join('a/');
    await clock.advance(quietMs);
    etcd.write('b/1');
    const b = join('b/');
    answer();
    await clock.advance(0);
    newest().confirm();
    await clock.advance(0);
    expect(b.states).toEqual(['following']);
  });
});

describe('the member that streams come from', () => {
  const check = etcdStreamsDefaults.checkMs * 1.25;

  it('is asked beside them, once for all', async () => {
    await joinEach(['a/', 'b/', 'c/']);
    const { questions } = etcd;
    await clock.advance(100_000);
    expect(etcd.questions - questions).toBeGreaterThanOrEqual(8);
    expect(etcd.questions - questions).toBeLessThanOrEqual(14);
    expect(etcd.streams).toHaveLength(3);
    expect(clock.pendingTimers).toBe(clock.pendingBackgroundTimers);
  });

  it('is left for another one when it does not answer', async () => {
    const [a, b] = await joinEach(['a/', 'b/']);
    let isFrozen = true;
    const { position } = etcd;
    etcd.position = async () => {
      if (isFrozen) {
        isFrozen = false;
        etcd.host = 'b:2379';
        throw new Error('no answer within 3000 ms');
      }
      return position.call(etcd);
    };
    await clock.advance(check);
    expect(etcd.open.map(({ host, watches }) => [host, watches.length])).toEqual([['b:2379', 2]]);
    newest().confirm();
    etcd.write('a/1');
    newest().tell();
    await clock.advance(0);
    expect(a?.keys).toEqual(['a/1']);
    expect(b?.states.filter((state) => state.startsWith('failed'))).toEqual([]);
  });

  it('is left when requests go to another one by now', async () => {
    await joinEach(['a/', 'b/']);
    etcd.host = 'b:2379';
    await joinEach(['c/']);
    await clock.advance(check);
    expect(etcd.open.map(({ host, watches }) => [host, watches.length])).toEqual([
      ['b:2379', 1],
      ['b:2379', 2],
    ]);
  });

  it('is kept when it refuses the question', async () => {
    const [a] = await joinEach(['a/']);
    etcd.failure = etcdError('etcd://a', 'watch', new EtcdRefusal(etcdCodes.unauthenticated, 'invalid auth token'));
    await clock.advance(check);
    expect(etcd.open).toHaveLength(1);
    etcd.failure = etcdError('etcd://a', 'watch', new EtcdRefusal(etcdCodes.unavailable, 'no leader'));
    await clock.advance(check);
    expect(etcd.open).toHaveLength(0);
    expect(a?.states.at(-1)).toBe('failed: etcd://a: watch: no leader');
  });

  it('is not asked once streams are closed', async () => {
    const [a] = await joinEach(['a/']);
    streams.close();
    await clock.advance(0);
    expect([etcd.open.length, clock.pendingTimers]).toEqual([0, 0]);
    const states = a?.states.length;
    join('b/');
    await clock.advance(100_000);
    expect(a?.states).toHaveLength(states as number);
    expect(etcd.open).toHaveLength(0);
  });
});

describe('whatever streams do', () => {
  const prefix = fc.constantFrom(...eight);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), prefix }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), prefix }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), at: fc.nat(30) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('tell' as const), at: fc.nat(30), back: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('confirm' as const), at: fc.nat(30), count: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('break' as const), at: fc.nat(30) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(400) }) },
  );

  it('tells each follower each change once and in order', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120 }), async (steps) => {
        clock = new VirtualClock();
        etcd = new FakeEtcdStreams();
        streams = open();
        // As many streams as there may be, so that the next watch merges them.
        const joined = new Map((await joinEach(eight)).map((follower) => [follower, follower.next]));
        const pick = <T>(all: readonly T[], at: number) => all[at % Math.max(1, all.length)];
        let most = 0;
        for (const one of steps) {
          if (one.kind === 'write') etcd.write(`${one.prefix}${etcd.revision}`);
          else if (one.kind === 'join') {
            const follower = join(one.prefix);
            joined.set(follower, follower.next);
          } else if (one.kind === 'leave') {
            const follower = pick([...joined.keys()], one.at);
            if (follower !== undefined) {
              streams.leave(follower);
              joined.delete(follower);
            }
          } else if (one.kind === 'tell') pick(etcd.open, one.at)?.tell(etcd.revision - one.back);
          else if (one.kind === 'confirm') pick(etcd.open, one.at)?.confirm(one.count);
          else if (one.kind === 'break') pick(etcd.open, one.at)?.break(new Error('reset'));
          else await clock.advance(one.ms);
          await clock.advance(0);
          most = Math.max(most, etcd.open.length);
        }
        // In the end all are told everything.
        for (let round = 0; round < 30; round++) {
          await clock.advance(1_000);
          for (const stream of etcd.open) {
            stream.confirm();
            stream.tell();
          }
        }
        for (const [follower, from] of joined) {
          const due = etcd.changes.filter(({ key, revision }) => key.startsWith(follower.prefix) && revision >= from);
          expect(follower.told).toEqual(due);
        }
        expect(most).toBeLessThanOrEqual(9);
        streams.close();
      }),
      { numRuns: 150 },
    );
  });
});
