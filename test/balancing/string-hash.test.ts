import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mixed, stringHash } from '../../src/balancing/string-hash.ts';

const seed = 0x9747b28c;

describe('stringHash', () => {
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['test', seed, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', seed, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', seed, 0x2fa826cd],
    ['a', seed, 0x7fa09ea6],
    ['aa', seed, 0x5d211726],
    ['aaa', seed, 0x283e0130],
    ['aaaa', seed, 0x5a97808a],
    ['ab', seed, 0x74875592],
    ['abc', seed, 0xc84a62dd],
    ['abcd', seed, 0xf0478627],
    ['ππππππππ', seed, 0xd58063c1],
  ])('gives for %j with seed %i what MurmurHash3 gives', (text, with_, hash) => {
    expect(stringHash(text, with_)).toBe(hash);
  });

  it('gives an integer of 32 bits for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (text, with_) => {
        const hash = stringHash(text, with_);
        expect(hash).toBe(hash >>> 0);
      }),
    );
  });
});

describe('mixed', () => {
  it('gives different numbers for different ones', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (a, b) => {
        expect(mixed(a) === mixed(b)).toBe(a === b);
      }),
    );
  });
});
