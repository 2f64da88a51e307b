/**
 * When are files read again? After an event, once they have been quiet for a moment: half-written files are seldom
 * read, and a burst of changes is read once. And when a slow poll sees a change that brought no event (a network file
 * system, a linked file elsewhere, no watches left).
 *
 * No update is lost: watches are set before the files are read, and an event during a reading causes another.
 */
import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../core/clock.ts';
import type { RawDocument, Sink, Watch } from '../registry.ts';
import { filesSignature, readDocuments } from './document-files.ts';
import { FolderWatches } from './folder-watches.ts';

/** When files are read again. */
export interface FileWatchOptions {
  /** Files are read when no event came for this long, in ms. Default 50. */
  readonly quietMs: number;
  /** They are read at the latest this long after the first event, in ms. Default 1,000. */
  readonly longestQuietMs: number;
  /** How often files are looked at without an event, in ms. Default 5,000. */
  readonly pollMs: number;
}

export const fileWatchDefaults: FileWatchOptions = Object.freeze({ quietMs: 50, longestQuietMs: 1_000, pollMs: 5_000 });

/** Watches files and tells a sink their content, first at once. */
export class FileWatch implements Watch {
  private readonly paths: readonly string[];
  private readonly sink: Sink<readonly RawDocument[]>;
  private readonly clock: Clock;
  private readonly options: FileWatchOptions;
  private readonly folders: FolderWatches;
  private quietTimer: Timer | undefined;
  private pollTimer: Timer | undefined;
  /** The instant of the first event that has not been answered by a reading. */
  private changedAt: number | undefined;
  private reading = false;
  private readAgain = false;
  private closed = false;
  /** Of the files as they were before the last reading. */
  private signature = '';
  /** What was told last: a version, or an error. */
  private told = '';

  constructor(
    paths: readonly string[],
    sink: Sink<readonly RawDocument[]>,
    clock: Clock,
    options: FileWatchOptions = fileWatchDefaults,
  ) {
    this.paths = paths;
    this.sink = sink;
    this.clock = clock;
    this.options = options;
    this.folders = new FolderWatches(paths, () => this.changed());
    void this.read();
    this.schedulePoll();
  }

  close(): void {
    this.closed = true;
    this.folders.close();
    for (const timer of [this.quietTimer, this.pollTimer]) {
      if (timer !== undefined) this.clock.clearTimer(timer);
    }
  }

  private changed(): void {
    if (this.closed) return;
    const now = this.clock.now();
    this.changedAt ??= now;
    const { quietMs, longestQuietMs } = this.options;
    const delayMs = Math.max(0, Math.min(quietMs, this.changedAt + longestQuietMs - now));
    if (this.quietTimer !== undefined) this.clock.clearTimer(this.quietTimer);
    this.quietTimer = this.clock.setBackgroundTimer(() => void this.read(), delayMs);
  }

  private schedulePoll(): void {
    this.pollTimer = this.clock.setBackgroundTimer(() => void this.poll(), this.options.pollMs);
  }

  private async poll(): Promise<void> {
    await this.folders.renew();
    const signature = await filesSignature(this.paths);
    if (this.closed) return;
    if (signature !== this.signature) await this.read();
    if (!this.closed) this.schedulePoll();
  }

  private async read(): Promise<void> {
    if (this.reading) {
      this.readAgain = true;
      return;
    }
    this.reading = true;
    do {
      this.readAgain = false;
      this.changedAt = undefined;
      await this.folders.renew();
      this.signature = await filesSignature(this.paths);
      await this.readOnce();
    } while (this.readAgain && !this.closed);
    this.reading = false;
  }

  private async readOnce(): Promise<void> {
    const result = await readDocuments(this.paths).catch((error: Error) => error);
    const told = result instanceof Error ? result.message : versionOf(result);
    if (this.closed || told === this.told) return;
    this.told = told;
    if (result instanceof Error) this.sink.failed(result);
    else void this.sink.set(result, told);
  }
}

/** The first 12 hexadecimal digits of a hash over names and texts. */
function versionOf(documents: readonly RawDocument[]): string {
  const hash = createHash('sha256');
  for (const { name, text } of documents) hash.update(JSON.stringify([name, text]));
  return hash.digest('hex').slice(0, 12);
}
