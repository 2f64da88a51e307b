import { Headers as UndiciHeaders } from 'undici';
import { describe, expect, it } from 'vitest';
import { findHeader, type HeaderInput, toHeaderList } from '../../src/http/header-list.ts';

describe('toHeaderList', () => {
  it.each<[string, HeaderInput, string[]]>([
    ['null', null, []],
    ['undefined', undefined, []],
    ['an empty array', [], []],
    ['an empty object', {}, []],
    ['an object', { Accept: 'a', 'X-B': 'b' }, ['accept', 'a', 'x-b', 'b']],
    ['an object with several values', { cookie: ['a', 'b'] }, ['cookie', 'a', 'cookie', 'b']],
    ['an object with numbers', { 'content-length': 3 }, ['content-length', '3']],
    ['an object with undefined values', { a: undefined, b: 'b' }, ['b', 'b']],
    ['a flat array', ['Accept', 'a', 'B', 'b'], ['accept', 'a', 'b', 'b']],
    ['a flat array of buffers', [Buffer.from('Accept'), Buffer.from('ä', 'latin1')], ['accept', 'ä']],
    ['a flat array with several values', ['A', ['1', '2']], ['a', '1', 'a', '2']],
    [
      'an array of pairs',
      [
        ['A', '1'],
        ['B', '2'],
      ],
      ['a', '1', 'b', '2'],
    ],
    ['a Map', new Map([['A', '1']]), ['a', '1']],
    ['a Map with several values', new Map([['A', ['1', '2']]]), ['a', '1', 'a', '2']],
    ['Headers of the platform', new Headers({ A: '1', B: '2' }) as unknown as HeaderInput, ['a', '1', 'b', '2']],
    ['Headers of undici', new UndiciHeaders({ A: '1' }) as unknown as HeaderInput, ['a', '1']],
  ])('flattens %s', (_shape, input, list) => {
    expect(toHeaderList(input)).toEqual(list);
  });

  it('refuses a flat array of odd length', () => {
    expect(() => toHeaderList(['a'])).toThrow(/even length/);
  });

  it('refuses an iterable of what is no pair', () => {
    expect(() => toHeaderList([['a', 'b', 'c']] as unknown as HeaderInput)).toThrow(/pairs/);
    expect(() => toHeaderList(new Set(['a']) as unknown as HeaderInput)).toThrow(/pairs/);
  });
});

describe('findHeader', () => {
  it('gives the first value, or undefined', () => {
    const list = ['a', '1', 'b', 'a', 'a', '2'];
    expect([findHeader(list, 'a'), findHeader(list, 'b'), findHeader(list, 'c')]).toEqual(['1', 'a', undefined]);
  });
});
