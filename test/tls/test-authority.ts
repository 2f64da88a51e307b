import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** Below what OpenSSL takes for safe, at its default security level. */
const weakAlgorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 1024,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
};
const hourMs = 3_600_000;

/** What a leaf shall look like; by default what a mesh expects of one. */
export interface LeafRequest {
  readonly dns?: readonly string[];
  readonly uris?: readonly string[];
  readonly ips?: readonly string[];
  readonly isAuthority?: boolean;
  readonly keyUsage?: number | undefined;
  readonly purposes?: readonly string[];
  /** In ms from now. */
  readonly validFromMs?: number;
  readonly validToMs?: number;
  /** Whether its key is one that OpenSSL refuses. */
  readonly weakKey?: boolean;
}

export interface IssuedLeaf {
  readonly cert: string;
  readonly key: string;
  readonly der: Buffer;
}

/** An authority that issues certificates for tests. */
export interface TestAuthority {
  readonly cert: string;
  issue(request: LeafRequest): Promise<IssuedLeaf>;
}

/** The bits of the key usage. */
export const { KeyUsageFlags } = x509;

let serial = 1;

export async function createAuthority(name = 'test authority'): Promise<TestAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: `${serial++}`.padStart(2, '0'),
    name: `CN=${name}`,
    notBefore: new Date(now - hourMs),
    notAfter: new Date(now + hourMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    cert: root.toString('pem'),
    issue: (request) => issue(root, keys.privateKey, request),
  };
}

async function issue(
  root: x509.X509Certificate,
  signingKey: webcrypto.CryptoKey,
  request: LeafRequest,
): Promise<IssuedLeaf> {
  const ofLeaf = request.weakKey === true ? weakAlgorithm : algorithm;
  const keys = await webcrypto.subtle.generateKey(ofLeaf, true, ['sign', 'verify']);
  const names: x509.JsonGeneralName[] = [
    ...(request.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(request.ips ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const usage = 'keyUsage' in request ? request.keyUsage : x509.KeyUsageFlags.digitalSignature;
  const now = Date.now();
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: `${serial++}`.padStart(2, '0'),
    subject: 'CN=leaf',
    issuer: root.subject,
    notBefore: new Date(now + (request.validFromMs ?? -hourMs)),
    notAfter: new Date(now + (request.validToMs ?? hourMs)),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(request.isAuthority ?? false, undefined, true),
      ...(usage === undefined ? [] : [new x509.KeyUsagesExtension(usage, true)]),
      ...(request.purposes === undefined ? [] : [new x509.ExtendedKeyUsageExtension([...request.purposes])]),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    cert: leaf.toString('pem'),
    key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    der: Buffer.from(leaf.rawData),
  };
}
