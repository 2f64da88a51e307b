import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSpiffeId } from '../../src/tls/spiffe-id.ts';

describe('parseSpiffeId', () => {
  it.each([
    ['spiffe://cluster.local/ns/bookinfo/sa/reviews', 'cluster.local', '/ns/bookinfo/sa/reviews'],
    ['spiffe://a_b-c.1/x', 'a_b-c.1', '/x'],
    ['spiffe://trust.domain', 'trust.domain', ''],
    ['spiffe://d/...', 'd', '/...'],
  ])('reads %s', (text, trustDomain, path) => {
    expect(parseSpiffeId(text)).toEqual({ text, trustDomain, path });
  });

  it.each([
    ['', 'nothing'],
    ['https://d/x', 'another scheme'],
    ['SPIFFE://d/x', 'upper case in the scheme'],
    ['spiffe:///x', 'no trust domain'],
    ['spiffe://D/x', 'upper case in the trust domain'],
    ['spiffe://d:443/x', 'a port'],
    ['spiffe://user@d/x', 'userinfo'],
    ['spiffe://d/x?y', 'a query'],
    ['spiffe://d/x#y', 'a fragment'],
    ['spiffe://d/%78', 'a percent'],
    ['spiffe://d/', 'a trailing slash'],
    ['spiffe://d/x/', 'a trailing slash after a segment'],
    ['spiffe://d//x', 'an empty segment'],
    ['spiffe://d/./x', 'a dot segment'],
    ['spiffe://d/x/..', 'a double dot segment'],
    ['spiffe://d/x\n', 'a line feed'],
    ['spiffe://d/x\0', 'a NUL'],
    ['spiffe://d/ä', 'a character beyond ASCII'],
    [`spiffe://${'d'.repeat(256)}/x`, 'a trust domain above 255 bytes'],
    [`spiffe://d/${'x'.repeat(2048)}`, 'more than 2,048 bytes'],
  ])('refuses %j: %s', (text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  });

  it('gives back trust domain and path of everything it accepts, unchanged', () => {
    const alphabet = fc.constantFrom(...'aZ09.-_/:@?#% ');
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 24 }), (rest) => {
        const id = parseSpiffeId(`spiffe://${rest}`);
        if (id !== undefined) expect(`spiffe://${id.trustDomain}${id.path}`).toBe(`spiffe://${rest}`);
        if (/[:@?#% ]/.test(rest)) expect(id).toBeUndefined();
      }),
    );
  });
});
