import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EtcdRegistry } from '../../src/discovery/etcd/etcd-registry.ts';
import type { DocumentStore, RawDocument, Sink, Verdict } from '../../src/discovery/registry.ts';
import { formerText, processName } from '../../src/discovery/remote/kept-text.ts';
import { etcdKeys } from './etcd-keys.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';
import { hasServer } from './server-process.ts';

const accepted: Verdict = { accepted: true };

describe.skipIf(!hasServer('etcd'))('documents in a real etcd', () => {
  let etcd: EtcdCluster;
  let registry: EtcdRegistry;
  let store: DocumentStore;
  let opened = 0;
  let prefix: string;

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.dispose());
  beforeEach(() => {
    prefix = `d${++opened}`;
    registry = new EtcdRegistry({
      address: `//${etcd.hosts[0]}/${prefix}`,
      clock: systemClock,
      random: systemRandom,
      service: 'productpage',
    });
    store = registry.store;
  });
  afterEach(() => registry.close());

  /** What a watch tells, as names and texts. */
  function watch(verdict: () => Verdict | Promise<Verdict> = () => accepted) {
    const told: { version: string; documents: readonly RawDocument[] }[] = [];
    const sink: Sink<readonly RawDocument[]> = {
      set: (documents, version) => {
        told.push({ version, documents });
        return verdict();
      },
      absent: (version) => told.push({ version, documents: [] }),
      failed: (error) => expect.fail(error.message),
    };
    const running = registry.watchDocuments(sink);
    const until = async (count: number) => {
      await vi.waitUntil(() => told.length >= count, { interval: 1 });
      return told[count - 1];
    };
    return { told, until, close: () => running.close() };
  }

  it('are told together, with the version of the store', async () => {
    const one = await store.write('mesh', 'a: 1', undefined);
    const two = await store.write('canary', 'b: 2', undefined);
    const { until } = watch();
    const named = (name: string) => `etcd://${etcd.hosts[0]}/${prefix}/documents/${name}`;
    expect(await until(1)).toEqual({
      version: two,
      documents: [
        { name: named('canary'), text: 'b: 2' },
        { name: named('mesh'), text: 'a: 1' },
      ],
    });
    const three = await store.write('mesh', 'a: 3', one);
    expect(await until(2)).toMatchObject({ version: three, documents: [{ text: 'b: 2' }, { text: 'a: 3' }] });
    expect(await store.write('canary', undefined, two)).toBeUndefined();
    const third = await until(3);
    expect(third?.documents).toEqual([{ name: named('mesh'), text: 'a: 3' }]);
    expect(Number(third?.version)).toBeGreaterThan(Number(three));
    await store.write('mesh', undefined, three);
    expect((await until(4))?.documents).toEqual([]);
  });

  it('are listed, and kept with what they were, newest first', async () => {
    let version: string | undefined;
    const texts = Array.from({ length: 25 }, (_, at) => `version: ${at}`);
    for (const text of texts) version = await store.write('mesh', text, version);
    expect(await store.list()).toEqual([{ name: 'mesh', text: 'version: 24', version }]);
    const history = await store.history('mesh');
    expect(history.map(({ text }) => text)).toEqual(texts.slice(4, 24).reverse());
    expect(history[0]).toMatchObject({ name: 'mesh', replacedAt: expect.any(Number) });
    await store.write('mesh', undefined, version);
    expect(await store.list()).toEqual([]);
    expect((await store.history('mesh')).map(({ text }) => text)).toEqual(texts.slice(5, 25).reverse());
    expect(await store.history('other')).toEqual([]);
  });

  it('are not written over a version that is not expected', async () => {
    const version = await store.write('mesh', 'a', undefined);
    const key = `etcd://${etcd.hosts[0]}/${prefix}: ${prefix}/documents/mesh`;
    for (const [text, expected, message] of [
      ['b', undefined, `${key}: expected version none, found ${version}`],
      ['b', '1', `${key}: expected version 1, found ${version}`],
      ['b', 'nonsense', `${key}: expected version nonsense, found ${version}`],
      [undefined, '0', `${key}: expected version 0, found ${version}`],
    ] as const) {
      const error = await store.write('mesh', text, expected).catch((caught) => caught);
      expect(isMeshError(error, 'INMESH_CONFLICT')).toBe(true);
      expect(error.message).toBe(message);
    }
    const gone = await store.write('other', undefined, '7').catch((caught) => caught);
    expect(gone.message).toContain('expected version 7, found none');
    expect(await store.list()).toEqual([{ name: 'mesh', text: 'a', version }]);
  });

  it('are written by one of those who write at the same time', async () => {
    const version = await store.write('mesh', 'a', undefined);
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, at) => store.write('mesh', `writer ${at}`, version)),
    );
    const winners = results.flatMap((result, at) => (result.status === 'fulfilled' ? [at] : []));
    expect(winners).toHaveLength(1);
    expect(await store.list()).toMatchObject([{ text: `writer ${winners[0]}` }]);
    const losers = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(losers.every((error) => isMeshError(error, 'INMESH_CONFLICT'))).toBe(true);
    expect(await store.history('mesh')).toMatchObject([{ text: 'a', version }]);
  });

  it('can be changed and deleted as long as they can be written', async () => {
    const large = 'a: b\n'.repeat(240_000);
    const version = await store.write('mesh', large, undefined);
    const changed = await store.write('mesh', `${large}#`, version);
    await store.write('mesh', undefined, changed);
    expect((await store.history('mesh')).map(({ text }) => text.length)).toEqual([large.length + 1, large.length]);
    const error = await store.write('mesh', 'a: b\n'.repeat(300_000), undefined).catch((caught) => caught);
    expect(isMeshError(error, 'INMESH_OPTION')).toBe(true);
    expect(error.message).toMatch(/^document "mesh" has \d+ bytes as JSON text; allowed: 1500000/);
    expect(await store.list()).toEqual([]);
  });

  it('have no history of what is in force, though it was kept for a write that failed', async () => {
    const version = await store.write('mesh', 'a', undefined);
    const kept = {
      [`${prefix}/history/mesh/${version}`]: formerText({
        name: 'mesh',
        version: version as string,
        text: 'a',
        replacedAt: 1,
      }),
    };
    await etcdKeys(etcd).write(kept);
    expect(await store.history('mesh')).toEqual([]);
    await store.write('mesh', 'b', version);
    expect(await store.history('mesh')).toMatchObject([{ text: 'a', version }]);
  });

  it.each(['', 'a/b'])('refuse the name %j', async (name) => {
    const error = await store.write(name, 'a', undefined).catch((caught) => caught);
    expect(isMeshError(error, 'INMESH_OPTION')).toBe(true);
  });

  it('are reported on by those who watch, for as long as they do', async () => {
    const verdicts: (Verdict | Promise<Verdict>)[] = [
      accepted,
      Promise.resolve({ accepted: false, problems: ['routes[0]: no such service'] }),
    ];
    const watching = watch(() => verdicts.shift() ?? accepted);
    const first = await store.write('mesh', 'a', undefined);
    const reports = async () => (await store.reports?.()) ?? [];
    const watcher = `productpage/${processName()}`;
    await vi.waitUntil(async () => (await reports()).length > 0);
    expect(await reports()).toEqual([
      { watcher, version: first, refused: undefined, problems: [], reportedAt: expect.any(Number) },
    ]);
    const second = await store.write('mesh', 'b', first);
    await vi.waitUntil(async () => (await reports())[0]?.refused !== undefined);
    expect(await reports()).toMatchObject([
      { watcher, version: first, refused: second, problems: ['routes[0]: no such service'] },
    ]);
    watching.close();
    await vi.waitUntil(async () => (await reports()).length === 0);
  });

  it('are taken back with the registry, and what is no report is none', async () => {
    const { until } = watch();
    await store.write('mesh', 'a', undefined);
    await until(1);
    await vi.waitUntil(async () => (await store.reports?.())?.length === 1);
    await registry.close();
    expect(await etcdKeys(etcd).read(`${prefix}/watchers/`)).toEqual({});
    await etcdKeys(etcd).write({ [`${prefix}/watchers/x/y`]: 'nonsense', [`${prefix}/history/mesh/1`]: '{}' });
    const tool = new EtcdRegistry({
      address: `//${etcd.hosts[0]}/${prefix}`,
      clock: systemClock,
      random: systemRandom,
    });
    expect(await tool.store.reports?.()).toEqual([]);
    expect(await tool.store.history('mesh')).toEqual([]);
    await tool.close();
  });
});
