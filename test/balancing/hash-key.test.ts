import { describe, expect, it } from 'vitest';
import { hashKeyOf } from '../../src/balancing/hash-key.ts';
import type { HashSource } from '../../src/balancing/hash-options.ts';
import type { HeaderList } from '../../src/core/call.ts';
import { fakeCall } from './fake-call.ts';

describe('hashKeyOf', () => {
  it.each<[HashSource | undefined, string, HeaderList, string | undefined]>([
    [{ header: 'x-user' }, '/', ['x-user', 'a', 'x-user', 'b'], 'a'],
    [{ header: 'x-user' }, '/', ['x-users', 'a'], undefined],
    [{ cookie: 'id' }, '/', ['cookie', 'id=7'], '7'],
    [{ cookie: 'id' }, '/', ['cookie', 'uid=1; id=7; id=8'], '7'],
    [{ cookie: 'id' }, '/', ['cookie', 'uid=1', 'accept', 'id=3', 'cookie', 'id=a=b'], 'a=b'],
    [{ cookie: 'id' }, '/', ['cookie', 'ids=1;i=2; id; =5'], undefined],
    [{ cookie: 'id' }, '/', [], undefined],
    [{ queryParameter: 'id' }, '/item?uid=1&id=7&id=8', [], '7'],
    [{ queryParameter: 'id' }, '/item?id=%C3%A4', [], '%C3%A4'],
    [{ queryParameter: 'id' }, '/id=7', [], undefined],
    [{ queryParameter: 'id' }, '/item?id&ids=3', [], undefined],
    [{ queryParameter: 'id' }, '/item?', [], undefined],
    ['path', '/item/7?page=2', [], '/item/7'],
    ['path', '/item/7', [], '/item/7'],
    [undefined, '/item', ['x-user', 'a'], undefined],
  ])('reads %j of %s with %j as %j', (source, path, headers, key) => {
    expect(hashKeyOf(source)(fakeCall({ path, headers }))).toBe(key);
  });

  it('lets the key of the call win', () => {
    expect(hashKeyOf('path')(fakeCall({ hashKey: 'own' }))).toBe('own');
    expect(hashKeyOf(undefined)(fakeCall({ hashKey: 'own' }))).toBe('own');
  });
});
