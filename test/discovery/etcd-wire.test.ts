import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyChangeOf, keyValueOf, prefixRange, toBase64 } from '../../src/discovery/etcd-wire.ts';

describe('prefixRange', () => {
  it('holds the keys that begin with the prefix, and no others', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6 });
    fc.assert(
      fc.property(text, text, fc.boolean(), (name, other, isBelow) => {
        const prefix = `${name}/`;
        const key = isBelow ? `${prefix}${other}` : other;
        const { key: first, range_end: end } = prefixRange(prefix);
        const bytes = Buffer.from(key);
        const isHeld =
          Buffer.compare(bytes, Buffer.from(first, 'base64')) >= 0 &&
          Buffer.compare(bytes, Buffer.from(end, 'base64')) < 0;
        expect(isHeld).toBe(bytes.subarray(0, Buffer.byteLength(prefix)).equals(Buffer.from(prefix)));
      }),
    );
  });
});

describe('what etcd leaves out', () => {
  it('is zero or empty', () => {
    expect(keyValueOf({ key: toBase64('ä') })).toEqual({ key: 'ä', value: '', revision: 0 });
  });

  it('is a value in a deletion only', () => {
    const kv = { key: toBase64('a'), mod_revision: '7' };
    expect(keyChangeOf({ kv })).toEqual({ key: 'a', value: '', revision: 7 });
    expect(keyChangeOf({ type: 'DELETE', kv })).toEqual({ key: 'a', value: undefined, revision: 7 });
  });
});
