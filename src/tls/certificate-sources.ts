/**
 * How many sources read the same files? One, however many services name them. Each user acquires a lease and releases
 * it; the source is closed with its last lease.
 */

import { certificateFiles } from './certificate-files.ts';
import { CertificateSource, type CertificateSourceOptions } from './certificate-source.ts';
import type { TlsOptions } from './tls-options.ts';

/** A share of a source. */
export interface CertificateLease {
  readonly source: CertificateSource;
  /** Gives the share back; a second time is ignored. */
  release(): void;
}

interface SharedSource {
  readonly opening: Promise<CertificateSource>;
  leases: number;
}

/** The certificate sources of a mesh, one for each distinct set of files. */
export class CertificateSources {
  private readonly options: Partial<CertificateSourceOptions>;
  private readonly shared = new Map<string, SharedSource>();

  constructor(options: Partial<CertificateSourceOptions> = {}) {
    this.options = options;
  }

  /** How many distinct sets of files are read. */
  get size(): number {
    return this.shared.size;
  }

  /**
   * The source of the files of `options`, opened if nobody else has.
   *
   * @throws MeshError `INMESH_TLS` when the files are not good, `INMESH_OPTION` when one is missing for the mode.
   */
  async acquire(options: TlsOptions): Promise<CertificateLease> {
    const files = certificateFiles(options);
    const key = JSON.stringify([files.ca, files.cert, files.key]);
    let entry = this.shared.get(key);
    if (entry === undefined) {
      entry = { opening: CertificateSource.open(files, this.options), leases: 0 };
      this.shared.set(key, entry);
    }
    const held = entry;
    held.leases += 1;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      held.leases -= 1;
      if (held.leases > 0) return;
      this.shared.delete(key);
      // A source that failed to open has nothing to close, and its error has reached whoever acquired it.
      held.opening.then((source) => source.close()).catch(() => {});
    };
    try {
      return { source: await held.opening, release };
    } catch (error) {
      release();
      throw error;
    }
  }
}
