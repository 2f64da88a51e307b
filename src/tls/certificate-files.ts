/**
 * When do PEM files make a set that may be used? When two reads in a row agree (so that no rotation is half read), each
 * parses, the key belongs to the certificate, the certificate is valid now, and OpenSSL takes them.
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SecureContext } from 'node:tls';
import { MeshError } from '../core/errors.ts';
import { type ContextTexts, secureContext } from './secure-context.ts';
import type { TlsOptions } from './tls-options.ts';

/** The files of a {@link TlsOptions}, those that its mode uses. */
export interface CertificateFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** What the files hold, checked. */
export interface CertificateSet extends ContextTexts {
  /** Of the texts, for connections. */
  readonly context: SecureContext;
  /** Differs when a file differs; tells nothing of their contents. */
  readonly fingerprint: string;
  /** When our certificate expires, in ms since the epoch; `Infinity` without one. */
  readonly expiresAt: number;
}

/**
 * The files that `options` use. Mode `SIMPLE` shows no certificate of ours, even when one is named.
 *
 * @throws MeshError `INMESH_OPTION` when `MUTUAL` lacks one.
 */
export function certificateFiles(options: TlsOptions): CertificateFiles {
  const ca = options.caCertificates;
  if (options.mode === 'SIMPLE') return { ca, cert: undefined, key: undefined };
  const { clientCertificate: cert, privateKey: key } = options;
  if (cert === undefined || key === undefined) {
    throw new MeshError('INMESH_OPTION', 'tls mode MUTUAL needs clientCertificate and privateKey');
  }
  return { ca, cert, key };
}

/**
 * Reads and checks `files`.
 *
 * @param wallTime now, in ms since the epoch.
 * @throws MeshError `INMESH_TLS` naming the file and the problem; no contents.
 */
export async function readCertificateSet(files: CertificateFiles, wallTime: number): Promise<CertificateSet> {
  let texts = await readAll(files);
  for (let again = 0; ; again++) {
    const second = await readAll(files);
    if (texts.every((text, index) => text === second[index])) break;
    if (again === maxRereads) throw problem(namesOf(files), 'changes while it is read');
    texts = second;
  }
  const [ca, cert, key] = texts;
  if (ca !== undefined) checkAuthorities(files.ca!, ca, wallTime);
  const expiresAt =
    cert === undefined || key === undefined
      ? Number.POSITIVE_INFINITY
      : checkCertificate(files.cert!, cert, parseKey(files.key!, key), wallTime);
  const fingerprint = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
  return { ca, cert, key, context: makeContext(files, { ca, cert, key }), fingerprint, expiresAt };
}

/** A rotation is two or three renames; files that differ in every one of these reads are not being rotated. */
const maxRereads = 5;

function readAll({ ca, cert, key }: CertificateFiles): Promise<(string | undefined)[]> {
  return Promise.all([ca, cert, key].map(async (path) => (path === undefined ? undefined : read(path))));
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (cause) {
    throw problem(path, `cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, cause);
  }
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** An empty list must not pass: Node would trust its own authorities in its place. */
function parseCertificates(path: string, text: string): [X509Certificate, ...X509Certificate[]] {
  let certificates: X509Certificate[];
  try {
    certificates = (text.match(pemCertificate) ?? []).map((block) => new X509Certificate(block));
  } catch (cause) {
    throw problem(path, 'holds a certificate that does not parse', cause);
  }
  const [first, ...rest] = certificates;
  if (first === undefined) throw problem(path, 'holds no PEM certificate');
  return [first, ...rest];
}

function checkAuthorities(path: string, text: string, wallTime: number): void {
  const authorities = parseCertificates(path, text);
  // A bundle keeps old authorities for a while; OpenSSL ignores those, and one is enough.
  if (authorities.every((authority) => Date.parse(authority.validTo) <= wallTime)) {
    throw problem(path, 'holds only expired certificates');
  }
}

function parseKey(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // Without the cause: its message could quote the key.
    throw problem(path, 'holds no private key in PEM without a passphrase');
  }
}

/** @returns when the first of the chain to do so expires. */
function checkCertificate(path: string, text: string, key: KeyObject, wallTime: number): number {
  const chain = parseCertificates(path, text);
  if (!chain[0].checkPrivateKey(key)) throw problem(path, 'does not belong to the private key');
  for (const { validFrom, validTo } of chain) {
    if (Date.parse(validTo) <= wallTime) throw problem(path, `expired on ${validTo}`);
    if (Date.parse(validFrom) > wallTime) throw problem(path, `is not valid before ${validFrom}`);
  }
  return Math.min(...chain.map(({ validTo }) => Date.parse(validTo)));
}

function makeContext(files: CertificateFiles, texts: ContextTexts): SecureContext {
  try {
    return secureContext(texts);
  } catch (cause) {
    throw problem(namesOf(files), `cannot be used: ${(cause as Error).message}`, cause);
  }
}

function namesOf({ ca, cert, key }: CertificateFiles): string {
  return [ca, cert, key].filter((path) => path !== undefined).join(', ');
}

function problem(path: string, what: string, cause?: unknown): MeshError {
  return new MeshError('INMESH_TLS', `${path} ${what}`, { cause });
}
