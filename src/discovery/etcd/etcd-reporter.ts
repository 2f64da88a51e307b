/**
 * How does an operator learn that a process refused a document? Each process that watches says what it runs on, in a
 * key that ends with it (NACK). Nothing of the mesh depends on that: a report that cannot be written is told once.
 */
import type { Clock } from '../../core/clock.ts';
import { events } from '../../core/events.ts';
import type { Random } from '../../core/random.ts';
import type { Verdict } from '../registry.ts';
import { processName, reportText } from '../remote/kept-text.ts';
import type { EtcdClient } from './etcd-client.ts';
import { LeasedKey } from './etcd-leased-key.ts';

/** What a reporter is made of. */
export interface EtcdReporterOptions {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the registry's keys. */
  readonly prefix: string;
  /** Who watches. */
  readonly service: string;
}

/** A report outlasts its process by this, in s. */
const ttlSeconds = 60;

/** Taking the report back may take this long, in ms. */
const revokeTimeoutMs = 1_000;

/** The prefix of reports. */
export function reportsPrefix(prefix: string): string {
  return `${prefix}/watchers/`;
}

/** Reports what becomes of the documents that a process is told. */
export class EtcdReporter {
  private readonly options: EtcdReporterOptions;
  private readonly watcher: string;
  private leased: LeasedKey | undefined;
  private closing: Promise<void> | undefined;
  private hasFailed = false;
  /** The last version that was accepted. */
  private accepted: string | undefined;
  private newest = 0;

  constructor(options: EtcdReporterOptions) {
    this.options = options;
    this.watcher = `${options.service}/${processName()}`;
  }

  /** Reports the verdict once it is there, unless there is a newer one to wait for. */
  follow(version: string, verdict: Verdict | Promise<Verdict>): void {
    const turn = ++this.newest;
    void Promise.resolve(verdict).then((settled) => {
      if (settled.accepted) this.accepted = version;
      if (turn === this.newest && this.closing === undefined) this.report(version, settled);
    });
  }

  /** Takes the report back, as far as etcd answers. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    const lease = await this.leased?.end();
    if (lease === undefined) return;
    const request = { what: this.watcher, background: true, timeoutMs: revokeTimeoutMs };
    // Without an answer it ends by itself.
    await this.options.client.revokeLease(lease, request).catch(() => {});
  }

  private report(version: string, verdict: Verdict): void {
    const value = reportText({
      watcher: this.watcher,
      version: this.accepted,
      refused: verdict.accepted ? undefined : version,
      problems: verdict.accepted ? [] : verdict.problems,
      reportedAt: this.options.clock.wallTime(),
    });
    this.leased ??= this.lease(value);
    this.leased.set(value);
  }

  private lease(value: string): LeasedKey {
    const { client, clock, random, prefix } = this.options;
    const key = `${reportsPrefix(prefix)}${this.watcher}`;
    return new LeasedKey({ client, clock, random, key, value, ttlSeconds, failed: (error) => this.failed(error) });
  }

  private failed(error: Error): void {
    if (this.hasFailed || !events.registryError.hasSubscribers) return;
    this.hasFailed = true;
    events.registryError.publish({ registry: this.options.client.name, error });
  }
}
