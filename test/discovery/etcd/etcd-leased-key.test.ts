import { beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import type { EtcdClient } from '../../../src/discovery/etcd/etcd-client.ts';
import { EtcdRefusal, etcdError } from '../../../src/discovery/etcd/etcd-errors.ts';
import { LeasedKey } from '../../../src/discovery/etcd/etcd-leased-key.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** The part of etcd that has leases. */
class FakeLeases {
  readonly log: string[] = [];
  /** The lease that is alive. */
  lease = 0;
  failure: Error | undefined;
  /** Who has the key: a lease, or somebody else. */
  holder: string | undefined;

  async grantLease(): Promise<string> {
    this.answer();
    this.log.push(`grant ${++this.lease}`);
    return String(this.lease);
  }

  async renewLease(id: string): Promise<boolean> {
    this.answer();
    this.log.push(`renew ${id}`);
    return id === String(this.lease);
  }

  async put(_key: string, value: string, lease: string): Promise<void> {
    this.answer();
    if (lease !== String(this.lease)) throw etcdError('etcd://a', 'k', new EtcdRefusal(5, 'lease not found'));
    this.log.push(`put ${value}`);
    this.holder = lease;
  }

  async putIfGone(key: string, value: string, lease: string): Promise<void> {
    this.answer();
    if (this.holder === undefined) await this.put(key, value, lease);
  }

  private answer(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

let clock: VirtualClock;
let etcd: FakeLeases;
let failures: string[];
let key: LeasedKey;

beforeEach(() => {
  clock = new VirtualClock();
  etcd = new FakeLeases();
  failures = [];
  key = new LeasedKey({
    client: etcd as unknown as EtcdClient,
    clock,
    random: seededRandom(1),
    key: 'k',
    value: 'one',
    ttlSeconds: 9,
    failed: (error) => failures.push(error.message),
  });
});

describe('LeasedKey', () => {
  it('renews at each third of the time, in the background', async () => {
    await key.start();
    expect(clock.pendingTimers).toBe(clock.pendingBackgroundTimers);
    await clock.advance(9_000);
    expect(etcd.log).toEqual(['grant 1', 'put one', 'renew 1', 'renew 1', 'renew 1']);
    expect(await key.end()).toBe('1');
    await clock.advance(60_000);
    expect(etcd.log).toHaveLength(5);
    expect(clock.pendingTimers).toBe(0);
  });

  it('puts another value at once, and the lease is renewed all the same', async () => {
    await key.start();
    for (const value of ['two', 'three']) {
      await clock.advance(2_000);
      key.set(value);
      await clock.advance(0);
    }
    expect(etcd.log).toEqual(['grant 1', 'put one', 'renew 1', 'put two', 'renew 1', 'put three']);
  });

  it('gets another lease when its own has ended, also between renewal and put', async () => {
    await key.start();
    etcd.lease = 7;
    etcd.holder = undefined;
    await clock.advance(3_000);
    expect(etcd.log.slice(2)).toEqual(['renew 1', 'grant 8', 'put one']);
    const { renewLease } = etcd;
    etcd.renewLease = async (id) => {
      const isAlive = await renewLease.call(etcd, id);
      etcd.lease = 20;
      return isAlive;
    };
    key.set('two');
    await clock.advance(0);
    expect(failures).toEqual(['etcd://a: k: lease not found']);
    await clock.advance(1_000);
    expect(etcd.log.slice(5)).toEqual(['renew 8', 'grant 21', 'put two']);
  });

  it('puts the key again that is gone while its lease lives', async () => {
    await key.start();
    etcd.holder = undefined;
    await clock.advance(3_000);
    expect(etcd.log.slice(2)).toEqual(['renew 1', 'put one']);
  });

  it('leaves the key to another process that has put it since, until it is gone', async () => {
    await key.start();
    etcd.holder = 'another lease';
    await clock.advance(3_000);
    expect(etcd.log.slice(2)).toEqual(['renew 1']);
    etcd.lease = 7;
    await clock.advance(3_000);
    expect(etcd.log.slice(3)).toEqual(['renew 1', 'grant 8']);
    etcd.holder = undefined;
    await clock.advance(3_000);
    expect(etcd.log.slice(5)).toEqual(['renew 8', 'put one']);
  });

  it('is renewed sooner when it may be lost', async () => {
    await key.start();
    key.renewWithin(200);
    await clock.advance(200);
    expect(etcd.log.slice(2)).toEqual(['renew 1']);
  });

  it('tells an outage once, and goes on when it is over', async () => {
    await key.start();
    etcd.failure = new Error('outage');
    await clock.advance(30_000);
    expect(failures).toEqual(['outage']);
    etcd.failure = undefined;
    await clock.advance(1_500);
    expect(etcd.log.at(-1)).toBe('renew 1');
    expect(await key.end()).toBe('1');
  });

  it('does not begin when the first put fails', async () => {
    etcd.failure = new Error('outage');
    await expect(key.start()).rejects.toThrow('outage');
    expect([clock.pendingTimers, await key.end()]).toEqual([0, undefined]);
  });
});
