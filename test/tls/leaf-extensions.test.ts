import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { purposes, readLeafExtensions } from '../../src/tls/leaf-extensions.ts';
import { createAuthority, KeyUsageFlags, type TestAuthority } from './test-authority.ts';

describe('readLeafExtensions', () => {
  let authority: TestAuthority;
  let der: Buffer;

  beforeAll(async () => {
    authority = await createAuthority();
    der = (await authority.issue({ dns: ['Reviews', 'b'], uris: ['spiffe://d/x,y'], ips: ['127.0.0.1'] })).der;
  });

  it('reads names by their kind, without escapes', () => {
    const { dnsNames, uris } = readLeafExtensions(der);
    expect(dnsNames).toEqual(['Reviews', 'b']);
    expect(uris).toEqual(['spiffe://d/x,y']);
  });

  it('reads the use of a leaf', async () => {
    expect(readLeafExtensions(der)).toMatchObject({
      isAuthority: false,
      keyUsage: { critical: true, digitalSignature: true, keyCertSign: false, crlSign: false },
      extendedKeyUsage: undefined,
    });
    const other = await authority.issue({
      isAuthority: true,
      keyUsage: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
      purposes: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
    });
    expect(readLeafExtensions(other.der)).toMatchObject({
      dnsNames: [],
      isAuthority: true,
      keyUsage: { digitalSignature: false, keyCertSign: true, crlSign: true },
      extendedKeyUsage: [purposes.serverAuth, purposes.clientAuth],
    });
    expect(readLeafExtensions((await authority.issue({ keyUsage: undefined })).der).keyUsage).toBeUndefined();
  });

  it('throws a RangeError, and nothing else, for damaged certificates', () => {
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, change, cut) => {
        const damaged = Buffer.from(cut ? der.subarray(0, at) : der);
        if (!cut) damaged[at] = damaged[at]! ^ change;
        try {
          readLeafExtensions(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['an indefinite length', Buffer.from('308000000000', 'hex')],
    ['a length that is not the shortest', Buffer.from('30810100', 'hex')],
    ['a child that exceeds its parent', Buffer.from('30033005ff', 'hex')],
    ['something after the certificate', Buffer.from('30020500ff00', 'hex')],
  ])('refuses %s', (_, bytes) => {
    expect(() => readLeafExtensions(bytes)).toThrow(RangeError);
  });
});
