/**
 * How does a key last as long as its process? It is put under a lease of its own, which is renewed each third of its
 * time. A lease that is gone (an outage that was too long, a cluster that lost its data) is replaced, and the key put
 * again, as is a key that is gone while its lease lives: somebody deleted it, or another process that had the same key
 * ended. What another process has put since is left alone.
 */
import type { Clock } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import { ReconnectDelay } from '../remote/reconnect-delay.ts';
import { Upkeep } from '../remote/upkeep.ts';
import type { EtcdClient } from './etcd-client.ts';
import { etcdCodes, refusalCode } from './etcd-errors.ts';

/** What a leased key is made of. */
export interface LeasedKeyOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly key: string;
  readonly value: string;
  /** How long the key outlasts its process, in s. */
  readonly ttlSeconds: number;
  /** Called once an outage. */
  readonly failed: (error: Error) => void;
}

/** A key that is kept until {@link end}. */
export class LeasedKey {
  private readonly options: LeasedKeyOptions;
  private readonly upkeep: Upkeep;
  private readonly controller = new AbortController();
  private readonly renewMs: number;
  private value: string;
  private lease: string | undefined;
  /** What this process has put last. */
  private written: string | undefined;

  constructor(options: LeasedKeyOptions) {
    this.options = options;
    this.value = options.value;
    const { clock, random, failed, ttlSeconds } = options;
    this.renewMs = (ttlSeconds * 1_000) / 3;
    const delay = new ReconnectDelay(random);
    this.upkeep = new Upkeep({ clock, delay, intervalMs: this.renewMs, run: () => this.write(true), failed });
  }

  /**
   * Puts the key, and keeps it from then on.
   *
   * @throws MeshError `INMESH_REGISTRY` when that fails; it is not kept then.
   */
  async start(): Promise<void> {
    await this.write(false);
    this.upkeep.start();
  }

  /** From now on the key holds this, as soon as etcd answers. */
  set(value: string): void {
    this.value = value;
    this.upkeep.now();
  }

  /** The registry may have lost it: it is renewed within this, in ms. */
  renewWithin(delayMs: number): void {
    this.upkeep.within(delayMs);
  }

  /**
   * Keeps it no more. What is under way is given up.
   *
   * @returns the lease that the key is under; undefined when it is under none.
   */
  async end(): Promise<string | undefined> {
    const ended = this.upkeep.end();
    this.controller.abort(new Error('the key is kept no more'));
    await ended;
    return this.lease;
  }

  private async write(background: boolean): Promise<void> {
    const { client, key, ttlSeconds } = this.options;
    // When a member does not answer, another one is asked before the lease ends.
    const request = { what: key, signal: this.controller.signal, background, timeoutMs: this.renewMs * 0.75 };
    if (this.lease !== undefined && !(await client.renewLease(this.lease, request))) this.lease = undefined;
    this.lease ??= await client.grantLease(ttlSeconds, request);
    const { value } = this;
    try {
      if (this.written === value) await client.putIfGone(key, value, this.lease, request);
      else await client.put(key, value, this.lease, request);
    } catch (error) {
      // The lease has ended since.
      if (refusalCode(error) === etcdCodes.notFound) this.lease = undefined;
      throw error;
    }
    this.written = value;
  }
}
