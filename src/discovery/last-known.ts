/**
 * What was known last? Documents and endpoints, for the time when the registry says nothing: of this process, and with
 * a path also of the one before it.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { readSnapshot, removeLeftovers, type SnapshotDocuments, writeSnapshot } from './snapshot-file.ts';

/** What is known of the past. */
export interface LastKnownOptions {
  /** The file it is kept in; undefined for memory alone. */
  readonly path: string | undefined;
  /** The name of the registry. */
  readonly registry: string;
  readonly clock: Clock;
  /** Reports a condition that an operator has to mend. */
  readonly warn: (message: string) => void;
}

/** Changes are written together, at the latest after this long, in ms. */
const writeDelayMs = 1_000;

/** Services that nobody watches any more are forgotten beyond this number, the oldest first. */
const maxServices = 10_000;

/** The last known state of a registry. */
export class LastKnown {
  /** Of the file that was read, in ms since the epoch; undefined without. */
  savedAt: number | undefined = undefined;
  documents: SnapshotDocuments | undefined = undefined;
  private readonly options: LastKnownOptions;
  private readonly endpoints = new Map<string, readonly Endpoint[]>();
  /** Those that are watched now. */
  private readonly live = new Map<string, () => readonly Endpoint[] | undefined>();
  private timer: Timer | undefined = undefined;
  private writing: Promise<void> | undefined = undefined;
  private isDirty = false;
  private isWarned = false;
  private closed = false;

  constructor(options: LastKnownOptions) {
    this.options = options;
  }

  /** Reads the file, where there is one; one that is not to be believed is reported and ignored. */
  async read(): Promise<void> {
    const { path, registry, clock, warn } = this.options;
    if (path === undefined) return;
    try {
      await removeLeftovers(path, clock);
      const content = await readSnapshot(path, registry, clock);
      if (content === undefined) return;
      this.savedAt = content.savedAt;
      this.documents = content.documents;
      for (const [service, endpoints] of content.endpoints) this.endpoints.set(service, endpoints);
    } catch (error) {
      warn(`snapshot ${path} is not used: ${(error as Error).message}`);
    }
  }

  /** The endpoints that a service had when it was last seen. */
  endpointsOf(service: string): readonly Endpoint[] | undefined {
    return this.endpoints.get(service);
  }

  /** From now on a service is watched: its endpoints are what `endpoints` answers. */
  join(service: string, endpoints: () => readonly Endpoint[] | undefined): void {
    this.live.set(service, endpoints);
  }

  /** A service is watched no more; what it had is remembered. */
  leave(service: string): void {
    this.remember(service);
    this.live.delete(service);
    if (this.endpoints.size > maxServices) this.endpoints.delete(this.endpoints.keys().next().value as string);
  }

  /** Something has changed that is to be written. */
  changed(): void {
    const { path, clock } = this.options;
    if (path === undefined || this.closed) return;
    this.isDirty = true;
    if (this.timer !== undefined || this.writing !== undefined) return;
    this.timer = clock.setBackgroundTimer(() => {
      this.timer = undefined;
      this.writing = this.write();
    }, writeDelayMs);
  }

  /** Writes what has not been written. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== undefined) this.options.clock.clearTimer(this.timer);
    this.timer = undefined;
    await this.writing;
    if (this.isDirty) await this.write();
  }

  private async write(): Promise<void> {
    const { path, registry, clock, warn } = this.options;
    this.isDirty = false;
    for (const service of this.live.keys()) this.remember(service);
    const content = { savedAt: clock.wallTime(), documents: this.documents, endpoints: new Map(this.endpoints) };
    try {
      await writeSnapshot(path as string, registry, content, clock);
      this.isWarned = false;
    } catch (error) {
      if (!this.isWarned) warn(`snapshot ${path} cannot be written: ${(error as Error).message}`);
      this.isWarned = true;
    }
    this.writing = undefined;
    if (this.isDirty) this.changed();
  }

  private remember(service: string): void {
    const endpoints = this.live.get(service)?.();
    if (endpoints === undefined) return;
    this.endpoints.delete(service);
    if (endpoints.length > 0) this.endpoints.set(service, endpoints);
  }
}
