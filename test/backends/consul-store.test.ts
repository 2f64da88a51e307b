import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ConsulRegistry } from '../../src/discovery/consul/consul-registry.ts';
import type { DocumentStore } from '../../src/discovery/registry.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { hasServer } from './server-process.ts';

describe.skipIf(!hasServer('consul'))('the store of a real Consul', () => {
  let consul: ConsulServer;
  let registry: ConsulRegistry;
  let store: DocumentStore;
  let stores = 0;

  beforeAll(async () => {
    consul = await startConsul();
  });
  beforeEach(() => {
    const address = `//${consul.host}/s${++stores}`;
    registry = new ConsulRegistry({ address, clock: systemClock, random: systemRandom });
    store = registry.store;
    return () => registry.close();
  });
  afterAll(() => consul.dispose());

  function key(rest: string): string {
    return `s${stores}/${rest}`;
  }

  it('is empty at first', async () => {
    expect(await store.list()).toEqual([]);
    expect(await store.history('mesh')).toEqual([]);
    expect(await store.reports?.()).toEqual([]);
  });

  it('writes, changes and deletes, each time with another version', async () => {
    const first = await store.write('mesh', 'services: [] # é', undefined);
    expect(await store.list()).toEqual([{ name: 'mesh', text: 'services: [] # é', version: first }]);
    const second = await store.write('mesh', 'routes: []', first);
    expect(second).not.toBe(first);
    await store.write('team/other', '', undefined);
    expect((await store.list()).map(({ name, text }) => [name, text])).toEqual([
      ['mesh', 'routes: []'],
      ['team/other', ''],
    ]);
    expect(await store.write('mesh', undefined, second)).toBeUndefined();
    expect((await store.list()).map(({ name }) => name)).toEqual(['team/other']);
    expect(await store.history('mesh')).toMatchObject([
      { name: 'mesh', text: 'routes: []', version: second },
      { name: 'mesh', text: 'services: [] # é', version: first },
    ]);
    const third = await store.write('mesh', 'again', undefined);
    expect(Number(third)).toBeGreaterThan(Number(second));
  });

  it('has nothing to do where there is nothing to delete', async () => {
    expect(await store.write('mesh', undefined, undefined)).toBeUndefined();
    expect(await store.history('mesh')).toEqual([]);
  });

  it('writes nothing when another version is there', async () => {
    const first = await store.write('mesh', 'one', undefined);
    const conflict = { code: 'INMESH_CONFLICT' };
    await expect(store.write('mesh', 'two', undefined)).rejects.toMatchObject(conflict);
    await expect(store.write('mesh', 'two', '1')).rejects.toMatchObject(conflict);
    await expect(store.write('mesh', undefined, 'nonsense')).rejects.toThrow(
      `consul://${consul.host}/s${stores}: key ${key('documents/mesh')}: version ${first} is there; expected: nonsense`,
    );
    await expect(store.write('other', 'two', first)).rejects.toThrow(`version none is there; expected: ${first}`);
    expect(await store.list()).toMatchObject([{ text: 'one', version: first }]);
    expect(await store.history('mesh')).toEqual([]);
  });

  it('lets one of several writers of one version win', async () => {
    const first = await store.write('mesh', 'start', undefined);
    const writers = Array.from({ length: 10 }, (_, at) => store.write('mesh', `writer ${at}`, first));
    const results = await Promise.allSettled(writers);
    const winners = results.flatMap((result, at) => (result.status === 'fulfilled' ? [`writer ${at}`] : []));
    expect(winners).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'INMESH_CONFLICT' });
    }
    expect((await store.list())[0]?.text).toBe(winners[0]);
    expect(await store.history('mesh')).toMatchObject([{ text: 'start', version: first }]);
  });

  it('keeps the last 20 versions of each document', async () => {
    let version = await store.write('a', 'text 0', undefined);
    const other = await store.write('a/b', 'other', undefined);
    await store.write('a/b', 'other 2', other);
    for (let change = 1; change <= 25; change++) version = await store.write('a', `text ${change}`, version);
    const texts = (await store.history('a')).map(({ text }) => text);
    expect(texts).toEqual(Array.from({ length: 20 }, (_, at) => `text ${24 - at}`));
    expect(await store.history('a/b')).toMatchObject([{ text: 'other' }]);
  });

  it('passes over what others left in its folders', async () => {
    await consul.send('PUT', `/v1/kv/${key('history/mesh/7')}`, 'no JSON');
    await consul.send('PUT', `/v1/kv/${key('history/mesh/x')}`, '{}');
    await consul.send('PUT', `/v1/kv/${key('watchers/shop/p1')}`, '[]');
    await consul.send('PUT', `/v1/kv/${key('documents/folder/')}`, '');
    expect(await store.history('mesh')).toEqual([]);
    expect(await store.reports?.()).toEqual([]);
    expect(await store.list()).toEqual([]);
  });

  it.each(['', '/', 'a//b', '../x', 'a/..', '.', 'a b', 'ä', '/a', 'a/'])('refuses the name %j', async (name) => {
    await expect(store.write(name, 'x', undefined)).rejects.toMatchObject({ code: 'INMESH_OPTION' });
  });

  it('changes a document of nearly the size that Consul holds', async () => {
    const text = 'x'.repeat(380 * 1024);
    const first = await store.write('mesh', text, undefined);
    const second = await store.write('mesh', `${text}2`, first);
    await store.write('mesh', undefined, second);
    expect((await store.history('mesh')).map((former) => former.text.length)).toEqual([text.length + 1, text.length]);
  });

  it('passes over what a writer kept whose change failed', async () => {
    const first = await store.write('mesh', 'one', undefined);
    // Kept, and refused because it is too long for a transaction.
    await expect(store.write('mesh', 'x'.repeat(450_000), first)).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    expect(await consul.send('GET', `/v1/kv/${key(`history/mesh/${first}`)}`)).toHaveLength(1);
    expect(await store.history('mesh')).toEqual([]);
    await store.write('mesh', 'two', first);
    expect(await store.history('mesh')).toMatchObject([{ text: 'one', version: first }]);
  });

  it('says what Consul says of a text that is too long', async () => {
    const writing = store.write('mesh', 'x'.repeat(600_000), undefined);
    await expect(writing).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    await expect(writing).rejects.toThrow(`key ${key('documents/mesh')}: `);
    expect(await store.list()).toEqual([]);
  });
});
