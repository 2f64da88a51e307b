/**
 * How does a new certificate come into use without a restart and without a dropped call? The source watches the files,
 * and hands out a new, immutable {@link TlsMaterial} when all of them are good together; until then the last good one
 * stays. Its listener builds new pools and closes the old ones when their requests are done.
 *
 * Directories are watched, not files: a file that is replaced by a rename, or through a symlink as Kubernetes does,
 * is another file. Where watching does not work (some network file systems), a slow poll finds the change.
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type Clock, systemClock, type Timer } from '../core/clock.ts';
import { MeshError } from '../core/errors.ts';
import { events } from '../core/events.ts';
import { type CertificateFiles, type CertificateSet, readCertificateSet } from './certificate-files.ts';

/** Certificates that belong together, in PEM. Frozen; a change is another object. */
export interface TlsMaterial extends CertificateSet {
  /** 1 for the first, one more for each change. */
  readonly version: number;
}

/** Options of a {@link CertificateSource}. */
export interface CertificateSourceOptions {
  readonly clock: Clock;
  /** How often the files are read without a sign of change, in ms, > 0. Default 60,000. */
  readonly pollMs: number;
}

export const certificateSourceDefaults: CertificateSourceOptions = Object.freeze({
  clock: systemClock,
  pollMs: 60_000,
});

/** A rotation touches several files; they are read this long after the first sign. */
const settleMs = 100;

/** The certificates in a set of files, kept up to date. Does not keep the process alive. */
export class CertificateSource {
  readonly files: CertificateFiles;
  /** Why the last reload failed; `undefined` when the current material is that of the files, and in use. */
  lastError: MeshError | undefined = undefined;
  private material: TlsMaterial;
  private readonly clock: Clock;
  private readonly pollMs: number;
  private readonly watchers = new Map<string, FSWatcher>();
  private readonly listeners = new Set<(material: TlsMaterial) => void>();
  private timer: Timer | undefined = undefined;
  private reloading: Promise<void> | undefined = undefined;
  /** Whether a sign of change has been seen that no read has followed yet. */
  private touched = false;
  private closed = false;

  private constructor(files: CertificateFiles, first: CertificateSet, options: CertificateSourceOptions) {
    this.files = files;
    this.material = Object.freeze({ ...first, version: 1 });
    this.clock = options.clock;
    this.pollMs = options.pollMs;
    this.watchDirectories();
    this.schedule(this.pollMs);
  }

  /**
   * Reads `files` and begins to watch them.
   *
   * @throws MeshError `INMESH_TLS` when they are not good now.
   */
  static async open(
    files: CertificateFiles,
    options: Partial<CertificateSourceOptions> = {},
  ): Promise<CertificateSource> {
    const resolved = { ...certificateSourceDefaults, ...options };
    const first = await readCertificateSet(files, resolved.clock.wallTime());
    return new CertificateSource(files, first, resolved);
  }

  /** The last good certificates. */
  get current(): TlsMaterial {
    return this.material;
  }

  /** Calls back with every new material, from now on. When one throws, the former material stays. @returns forgets the listener. */
  onChange(listener: (material: TlsMaterial) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Reads the files, or joins a read that is under way. Settles when they are read, whatever came of it; see
   * {@link lastError}.
   */
  reload(): Promise<void> {
    if (this.reloading === undefined) {
      this.touched = false;
      this.reloading = this.readAndApply().finally(() => {
        this.reloading = undefined;
        this.schedule(this.touched ? settleMs : this.pollMs);
      });
    }
    return this.reloading;
  }

  /** Stops watching. The current material stays readable. */
  close(): void {
    this.closed = true;
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
    this.listeners.clear();
  }

  private async readAndApply(): Promise<void> {
    let next: CertificateSet;
    try {
      next = await readCertificateSet(this.files, this.clock.wallTime());
    } catch (error) {
      this.fail(error as MeshError);
      return;
    }
    this.watchDirectories();
    this.lastError = undefined;
    if (this.closed || next.fingerprint === this.material.fingerprint) return;
    this.putInUse(Object.freeze({ ...next, version: this.material.version + 1 }));
  }

  private putInUse(next: TlsMaterial): void {
    const before = this.material;
    this.material = next;
    let failure: MeshError | undefined;
    for (const listener of [...this.listeners]) {
      try {
        listener(next);
      } catch (cause) {
        const message = `${this.paths().join(', ')} cannot be put in use: ${(cause as Error).message}`;
        failure = new MeshError('INMESH_TLS', message, { cause });
      }
    }
    if (failure === undefined) {
      this.report({ files: this.paths(), version: next.version });
      return;
    }
    // The next read finds a change again, and tries again.
    this.material = before;
    this.fail(failure);
  }

  private fail(error: MeshError): void {
    this.lastError = error;
    this.report({ files: this.paths(), error });
  }

  private report(message: object): void {
    if (!this.closed && events.certificates.hasSubscribers) events.certificates.publish(message);
  }

  private schedule(delayMs: number): void {
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    if (!this.closed) this.timer = this.clock.setBackgroundTimer(() => void this.reload(), delayMs);
  }

  /** Watches each directory that is not watched yet. */
  private watchDirectories(): void {
    if (this.closed) return;
    for (const directory of new Set(this.paths().map((path) => dirname(path)))) {
      if (this.watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, (_event, name) => this.touch(name));
        watcher.on('error', () => this.unwatch(directory));
        this.watchers.set(directory, watcher);
      } catch {
        // Too many watches, or a file system without them: the poll remains.
      }
    }
  }

  /** Something in a watched directory has changed: one of our files, or the `..data` link of Kubernetes. */
  private touch(name: string | null): void {
    const ours = name === null || name.startsWith('..') || this.paths().some((path) => basename(path) === name);
    if (!ours || this.touched) return;
    this.touched = true;
    // A read under way may have missed it; another one follows it.
    if (this.reloading === undefined) this.schedule(settleMs);
  }

  private unwatch(directory: string): void {
    this.watchers.get(directory)?.close();
    this.watchers.delete(directory);
  }

  private paths(): string[] {
    return [this.files.ca, this.files.cert, this.files.key].filter((path) => path !== undefined);
  }
}
