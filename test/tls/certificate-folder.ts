import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from '../../src/tls/tls-options.ts';
import type { IssuedLeaf } from './test-authority.ts';

/** A temporary folder of PEM files. */
export class CertificateFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<CertificateFolder> {
    return new CertificateFolder(await mkdtemp(join(tmpdir(), 'inmesh-tls-')));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** By an atomic rename, as careful writers do. */
  async write(name: string, content: string): Promise<string> {
    await writeFile(this.file(`${name}.new`), content);
    await rename(this.file(`${name}.new`), this.file(name));
    return this.file(name);
  }

  async writeLeaf(leaf: IssuedLeaf): Promise<void> {
    await this.write('tls.key', leaf.key);
    await this.write('tls.crt', leaf.cert);
  }

  /** Options over `ca.crt`, `tls.crt` and `tls.key` of this folder. */
  options(overrides: Partial<TlsOptions> = {}): TlsOptions {
    return {
      mode: 'MUTUAL',
      caCertificates: this.file('ca.crt'),
      clientCertificate: this.file('tls.crt'),
      privateKey: this.file('tls.key'),
      sni: undefined,
      subjectAltNames: [],
      ...overrides,
    };
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true });
  }
}
