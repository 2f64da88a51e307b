import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { peerVerifier } from '../../src/tls/peer-verification.ts';
import { createAuthority, KeyUsageFlags, type LeafRequest, type TestAuthority } from './test-authority.ts';

const spiffe = 'spiffe://cluster.local/ns/bookinfo/sa/reviews';
const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';

describe('peerVerifier', () => {
  let authority: TestAuthority;

  beforeAll(async () => {
    authority = await createAuthority();
  });

  async function verdict(names: readonly string[], request: LeafRequest, serverName = 'reviews') {
    const { der } = await authority.issue(request);
    const certificate = new X509Certificate(der).toLegacyObject() as PeerCertificate;
    return peerVerifier({ subjectAltNames: names }, serverName)('10.0.0.1', certificate);
  }

  it('without names, wants a certificate for the server name, not for the address', async () => {
    expect(await verdict([], { dns: ['reviews'] })).toBeUndefined();
    expect(await verdict([], { ips: ['10.0.0.1'] })).toMatchObject({ code: 'INMESH_IDENTITY', service: 'reviews' });
  });

  it('without names, checks an address when the server name is one', async () => {
    expect(await verdict([], { ips: ['10.0.0.9'] }, '10.0.0.9')).toBeUndefined();
    expect(await verdict([], { ips: ['10.0.0.1'] }, '10.0.0.9')).toMatchObject({ code: 'INMESH_IDENTITY' });
  });

  it('with names, ignores the server name', async () => {
    expect(await verdict(['other'], { dns: ['reviews'] })).toMatchObject({ code: 'INMESH_IDENTITY' });
    expect(await verdict(['other'], { dns: ['other'] })).toBeUndefined();
  });

  it('compares DNS names without case, and expands no wildcard', async () => {
    expect(await verdict(['REVIEWS.mesh'], { dns: ['reviews.MESH'] })).toBeUndefined();
    expect(await verdict(['reviews.mesh'], { dns: ['*.mesh'] })).toMatchObject({ code: 'INMESH_IDENTITY' });
    expect(await verdict(['*.mesh'], { dns: ['*.mesh'] })).toBeUndefined();
  });

  it('accepts a SPIFFE ID beside other names', async () => {
    expect(await verdict([spiffe], { uris: [spiffe], dns: ['anything'] })).toBeUndefined();
    expect(await verdict(['other', spiffe], { uris: [spiffe] })).toBeUndefined();
  });

  it.each([
    ['another workload', [`${spiffe}2`]],
    ['the same in other case', [spiffe.replace('reviews', 'Reviews')]],
    ['a path that would normalise to it', [spiffe.replace('/ns', '/x/../ns')]],
    ['a port', [spiffe.replace('cluster.local', 'cluster.local:443')]],
    ['two URIs, the first of them right', [spiffe, 'spiffe://cluster.local/ns/x/sa/y']],
    ['two URIs, the last of them right', ['https://evil.example/', spiffe]],
  ])('refuses %s', async (_, uris) => {
    expect(await verdict([spiffe], { uris })).toMatchObject({ code: 'INMESH_IDENTITY' });
  });

  it('does not take a DNS name for a SPIFFE ID that it spells', async () => {
    expect(await verdict([spiffe], { dns: [spiffe] })).toMatchObject({ code: 'INMESH_IDENTITY' });
  });

  it('refuses the certificate of an authority, whatever its names', async () => {
    const message = expect.stringContaining('authority');
    expect(await verdict([spiffe], { uris: [spiffe], isAuthority: true })).toMatchObject({ message });
    expect(await verdict(['reviews'], { dns: ['reviews'], isAuthority: true })).toMatchObject({ message });
  });

  it.each<[string, LeafRequest]>([
    ['may sign certificates', { keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign }],
    ['may sign revocation lists', { keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.cRLSign }],
    ['is not for signatures', { keyUsage: KeyUsageFlags.keyEncipherment }],
    ['has no key usage', { keyUsage: undefined }],
    ['is for servers alone', { purposes: [serverAuth] }],
    ['is for clients alone', { purposes: [clientAuth] }],
  ])('refuses a SPIFFE leaf that %s', async (_, request) => {
    expect(await verdict([spiffe], { uris: [spiffe], ...request })).toMatchObject({ code: 'INMESH_IDENTITY' });
  });

  it('accepts a SPIFFE leaf for servers and clients', async () => {
    expect(await verdict([spiffe], { uris: [spiffe], purposes: [serverAuth, clientAuth] })).toBeUndefined();
  });

  it('refuses a certificate that cannot be read', () => {
    const verify = peerVerifier({ subjectAltNames: [spiffe] }, 'reviews');
    expect(verify('', { raw: Buffer.from('nonsense') } as PeerCertificate)).toMatchObject({ code: 'INMESH_IDENTITY' });
  });

  it.each([['spiffe://d'], ['spiffe://D/x'], ['https://d/x'], ['10.0.0.1'], ['::1'], ['a b'], ['']])(
    'throws at construction for the name %j',
    (name) => {
      expect(() => peerVerifier({ subjectAltNames: [name] }, 'reviews')).toThrow(
        expect.objectContaining({ code: 'INMESH_OPTION' }),
      );
    },
  );
});
