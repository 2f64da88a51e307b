import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  keyAfter,
  keyChangeOf,
  keyValueOf,
  prefixRange,
  revisionOf,
  toBase64,
} from '../../../src/discovery/etcd/etcd-wire.ts';

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

describe('keyAfter', () => {
  it('is the very next key, also after one that is no text', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(bytes, (key) => {
        const next = Buffer.from(keyAfter(Buffer.from(key).toString('base64')), 'base64');
        expect([...next]).toEqual([...key, 0]);
      }),
    );
  });
});

describe('what is no message of etcd', () => {
  it.each([undefined, '', '0', '-1', 'x', '1.5', '07', 5])('is one with the revision %j', (revision) => {
    expect(() => revisionOf(revision as string)).toThrow('the reply is not one of etcd');
  });

  it.each([undefined, null, 5, {}, { key: 5 }, { key: 'YQ==' }, { key: 'YQ==', value: 5, mod_revision: '7' }])(
    'is one with the key %j',
    (kv) => {
      expect(() => keyValueOf(kv as never)).toThrow('the reply is not one of etcd');
      expect(() => keyChangeOf({ kv } as never)).toThrow('the reply is not one of etcd');
    },
  );
});

describe('what etcd leaves out', () => {
  it('is an empty value', () => {
    expect(keyValueOf({ key: toBase64('ä'), mod_revision: '7' })).toEqual({ key: 'ä', value: '', revision: 7 });
  });

  it('is a value in a deletion only', () => {
    const kv = { key: toBase64('a'), mod_revision: '7' };
    expect(keyChangeOf({ kv })).toEqual({ key: 'a', value: '', revision: 7 });
    expect(keyChangeOf({ type: 'DELETE', kv })).toEqual({ key: 'a', value: undefined, revision: 7 });
  });
});
