/**
 * How is an endpoint registered in etcd? As a key under a lease of ten seconds: whoever crashes is gone that soon. Each
 * registration has a lease of its own, so that its end is one request that takes nothing else with it.
 *
 * A service that ends says so first (`state: draining`), so that callers send nothing new while it is taken out.
 */
import type { Clock } from '../../core/clock.ts';
import { type Endpoint, endpointKey, makeEndpoint } from '../../core/endpoint.ts';
import { events } from '../../core/events.ts';
import type { Random } from '../../core/random.ts';
import { endpointText } from '../endpoint-text.ts';
import type { Registration } from '../registry.ts';
import type { EtcdClient } from './etcd-client.ts';
import { endpointsPrefix } from './etcd-endpoints.ts';
import { refusalCode } from './etcd-errors.ts';
import { LeasedKey } from './etcd-leased-key.ts';
import { toBase64 } from './etcd-wire.ts';

/** What is registered. */
export interface EtcdRegistrationOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the registry's keys. */
  readonly prefix: string;
  readonly service: string;
  readonly endpoint: Endpoint;
}

/** An endpoint outlasts its process by this, in s. */
const ttlSeconds = 10;

/** From the announcement of the end until the end, in ms: an event needs a few. */
const announceMs = 20;

/** No request of the end takes longer, in ms. */
const endTimeoutMs = 2_000;

/** Another member is asked when one does not answer in time; all of this takes 8 s at most. */
const endTries = 3;

/** An endpoint in etcd. */
export class EtcdRegistration implements Registration {
  private readonly options: EtcdRegistrationOptions;
  private readonly key: string;
  private readonly leased: LeasedKey;
  private ending: Promise<void> | undefined;

  constructor(options: EtcdRegistrationOptions) {
    const { prefix, service, endpoint, client, clock, random } = options;
    this.options = options;
    this.key = `${endpointsPrefix(prefix, service)}${endpointKey(endpoint)}`;
    this.leased = new LeasedKey({
      client,
      clock,
      random,
      key: this.key,
      value: endpointText(endpoint),
      ttlSeconds,
      failed: (error) => this.failed(error),
    });
  }

  /** Registers it, and keeps it registered. */
  start(): Promise<void> {
    return this.leased.start();
  }

  /** The registry may have lost it: it is registered again within this, in ms, when it has. */
  renewWithin(delayMs: number): void {
    this.leased.renewWithin(delayMs);
  }

  deregister(): Promise<void> {
    this.ending ??= this.end();
    return this.ending;
  }

  private async end(): Promise<void> {
    const { clock } = this.options;
    const lease = await this.leased.end();
    // The key has ended with its lease.
    if (lease === undefined) return;
    const isAnnounced = await this.announce(lease).then(
      () => true,
      () => false,
    );
    if (isAnnounced) await new Promise<void>((resolve) => clock.setTimer(resolve, announceMs));
    await this.revoke(lease);
  }

  /** Unless the key is another process's by now, which came up at the same address. */
  private async announce(lease: string): Promise<void> {
    const { client, endpoint } = this.options;
    const key = toBase64(this.key);
    const value = toBase64(endpointText(makeEndpoint({ ...endpoint, state: 'draining' })));
    const message = {
      compare: [{ key, target: 'LEASE', result: 'EQUAL', lease }],
      success: [{ request_put: { key, value, lease } }],
    };
    await client.transact(message, { what: this.key, timeoutMs: endTimeoutMs, isRepeatable: true });
  }

  private async revoke(lease: string): Promise<void> {
    const { client } = this.options;
    for (let tries = 1; ; tries++) {
      try {
        await client.revokeLease(lease, { what: this.key, timeoutMs: endTimeoutMs });
        return;
      } catch (error) {
        if (tries >= endTries || refusalCode(error) !== undefined) throw error;
      }
    }
  }

  private failed(error: Error): void {
    if (!events.registryError.hasSubscribers) return;
    const { client, service } = this.options;
    events.registryError.publish({ registry: client.name, service, error });
  }
}
