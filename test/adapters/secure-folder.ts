import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from '../tls/test-authority.ts';
import type { Bench } from './bench.ts';

/** What a server and a client need for TLS between them. */
export interface Secured {
  /** For `createSecureServer`. */
  readonly server: { readonly cert: string; readonly key: string };
  /** For a traffic policy. */
  readonly tls: { readonly mode: 'SIMPLE'; readonly caCertificates: string };
}

/** A certificate for `host`, and a file with the authority that issued it. */
export async function secureFolder(bench: Bench, host: string): Promise<Secured> {
  const authority = await createAuthority();
  const { cert, key } = await authority.issue({ dns: [host] });
  const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
  bench.onClose(() => rm(folder, { recursive: true }));
  const caCertificates = join(folder, 'ca.pem');
  await writeFile(caCertificates, authority.cert);
  return { server: { cert, key }, tls: { mode: 'SIMPLE', caCertificates } };
}
