import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import type { EtcdClient, EtcdKeys } from '../../../src/discovery/etcd/etcd-client.ts';
import { EtcdRefusal, etcdCodes, etcdError } from '../../../src/discovery/etcd/etcd-errors.ts';
import type { EtcdStreams } from '../../../src/discovery/etcd/etcd-streams.ts';
import { type PrefixSink, PrefixWatch } from '../../../src/discovery/etcd/etcd-watch.ts';
import { RequestLimit } from '../../../src/discovery/remote/request-limit.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

let clock: VirtualClock;
let watch: PrefixWatch;
let told: string[];
/** The instants at which the prefix was read. */
let reads: number[];
/** What becomes of a read. */
let answer: () => EtcdKeys;

beforeEach(() => {
  clock = new VirtualClock();
  told = [];
  reads = [];
});

/** Begins a watch; it reads at once. */
function begin(): void {
  const keys = async () => {
    reads.push(clock.now());
    return answer();
  };
  const sink: PrefixSink = {
    full: async (found) => {
      told.push(`full ${found.length}`);
    },
    read: async () => () => {},
    again: () => told.push('again'),
    failed: (error) => told.push(error.message),
  };
  watch = new PrefixWatch('a/', sink, {
    client: { name: 'etcd://a', keys } as unknown as EtcdClient,
    streams: { join: () => {}, leave: () => {} } as unknown as EtcdStreams,
    reads: new RequestLimit(1),
    clock,
    random: seededRandom(1),
  });
}

afterEach(() => watch.close());

function refuse(code: number | undefined, message: string): void {
  answer = () => {
    throw etcdError('etcd://a', 'a/', new EtcdRefusal(code, message));
  };
}

describe('PrefixWatch', () => {
  it('asks ever more seldom for what it may not read, and says so once', async () => {
    refuse(etcdCodes.permissionDenied, 'permission denied');
    begin();
    await clock.advance(300_000);
    expect(reads.length).toBeGreaterThan(8);
    expect(reads.length).toBeLessThan(30);
    expect(told).toEqual(['etcd://a: a/: permission denied']);
    expect(clock.pendingTimers).toBe(clock.pendingBackgroundTimers);
    answer = () => ({ keys: [], revision: 7 });
    await clock.advance(30_000);
    expect(told.slice(1)).toEqual(['full 0']);
  });

  it('asks within a second while a member is unavailable, and tells the same once', async () => {
    refuse(etcdCodes.unavailable, 'no leader');
    begin();
    await clock.advance(30_000);
    expect(reads.length).toBeGreaterThan(28);
    refuse(undefined, 'status 502');
    await clock.advance(2_000);
    expect(told).toEqual(['etcd://a: a/: no leader', 'etcd://a: a/: status 502']);
  });

  it('tells a refusal again that comes after the prefix was followed', async () => {
    answer = () => ({ keys: [], revision: 7 });
    begin();
    await clock.advance(0);
    watch.following();
    refuse(etcdCodes.permissionDenied, 'permission denied');
    watch.lost(undefined);
    await clock.advance(0);
    expect(told).toEqual(['full 0', 'etcd://a: a/: permission denied']);
  });

  it('waits no longer than it is open', async () => {
    refuse(etcdCodes.permissionDenied, 'permission denied');
    begin();
    await clock.advance(10_000);
    watch.close();
    await clock.advance(0);
    expect(clock.pendingTimers).toBe(0);
  });
});
