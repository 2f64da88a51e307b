import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { certificateFiles, readCertificateSet } from '../../src/tls/certificate-files.ts';
import { CertificateFolder } from './certificate-folder.ts';
import { createAuthority, type IssuedLeaf, type TestAuthority } from './test-authority.ts';

describe('certificateFiles', () => {
  const options = {
    mode: 'MUTUAL',
    caCertificates: '/ca',
    clientCertificate: '/cert',
    privateKey: '/key',
    sni: undefined,
    subjectAltNames: [],
  } as const;

  it('shows no certificate of ours in mode SIMPLE', () => {
    expect(certificateFiles({ ...options, mode: 'SIMPLE' })).toEqual({ ca: '/ca', cert: undefined, key: undefined });
  });

  it.each([['clientCertificate'], ['privateKey']])('throws when MUTUAL lacks %s', (name) => {
    expect(() => certificateFiles({ ...options, [name]: undefined })).toThrow(
      expect.objectContaining({ code: 'INMESH_OPTION' }),
    );
  });
});

describe('readCertificateSet', () => {
  let authority: TestAuthority;
  let leaf: IssuedLeaf;
  let folder: CertificateFolder;

  beforeAll(async () => {
    authority = await createAuthority();
    leaf = await authority.issue({ dns: ['productpage'] });
  });

  beforeEach(async () => {
    folder = await CertificateFolder.create();
    await folder.write('ca.crt', authority.cert);
    await folder.writeLeaf(leaf);
  });

  afterEach(() => folder.remove());

  const read = (wallTime = systemClock.wallTime()) => readCertificateSet(certificateFiles(folder.options()), wallTime);

  it('gives the texts, and when the certificate expires', async () => {
    const now = systemClock.wallTime();
    const set = await read(now);
    expect(set).toMatchObject({ ca: authority.cert, cert: leaf.cert, key: leaf.key });
    expect(set.expiresAt).toBeGreaterThan(now);
    expect(set.expiresAt).toBeLessThanOrEqual(now + 3_600_000);
  });

  it('has another fingerprint when a file has another content, and the same otherwise', async () => {
    const before = await read();
    expect((await read()).fingerprint).toBe(before.fingerprint);
    await folder.write('ca.crt', (await createAuthority()).cert);
    expect((await read()).fingerprint).not.toBe(before.fingerprint);
  });

  it('reads nothing when Node’s authorities are to be used', async () => {
    const set = await readCertificateSet({ ca: undefined, cert: undefined, key: undefined }, 0);
    expect(set).toMatchObject({ ca: undefined, cert: undefined, key: undefined, expiresAt: Number.POSITIVE_INFINITY });
  });

  it.each<[string, string, () => string | Promise<string>]>([
    ['an empty list of authorities', 'ca.crt', () => ''],
    ['authorities that do not parse', 'ca.crt', () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
    ['a certificate that is none', 'tls.crt', () => 'nonsense'],
    ['a key that is none', 'tls.key', () => '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['the key of another certificate', 'tls.key', async () => (await authority.issue({})).key],
  ])('refuses %s', async (_, name, content) => {
    await folder.write(name, await content());
    await expect(read()).rejects.toMatchObject({ code: 'INMESH_TLS' });
  });

  it('names the file that is missing', async () => {
    const files = { ca: folder.file('missing.crt'), cert: undefined, key: undefined };
    await expect(readCertificateSet(files, 0)).rejects.toMatchObject({
      code: 'INMESH_TLS',
      message: `${files.ca} cannot be read (ENOENT)`,
    });
  });

  it('refuses a certificate that has expired, or is not valid yet', async () => {
    await folder.writeLeaf(await authority.issue({ validFromMs: -7_200_000, validToMs: -3_600_000 }));
    await expect(read()).rejects.toMatchObject({ code: 'INMESH_TLS', message: expect.stringContaining('expired on') });
    await folder.writeLeaf(await authority.issue({ validFromMs: 1_800_000 }));
    await expect(read()).rejects.toMatchObject({ message: expect.stringContaining('not valid before') });
  });

  it('refuses what parses and OpenSSL does not take: a key that is too small', async () => {
    await folder.writeLeaf(await authority.issue({ weakKey: true }));
    await expect(read()).rejects.toMatchObject({
      code: 'INMESH_TLS',
      message: expect.stringMatching(/ca\.crt, .*tls\.crt, .*tls\.key cannot be used: .*key too small/),
    });
  });

  it('quotes no key in an error', async () => {
    const secret = leaf.key.split('\n')[1]!;
    await folder.write('tls.key', leaf.key.replace('BEGIN PRIVATE', 'BEGIN PUBLIC'));
    const error = await read().catch((reason: Error) => reason);
    expect(error).toBeInstanceOf(Error);
    const { message, cause } = error as Error;
    expect(`${message} ${String(cause)}`).not.toContain(secret);
  });
});
