import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isMeshError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { KubernetesRegistry } from '../../../src/discovery/kubernetes/kubernetes-registry.ts';
import { selectedLabels } from '../../../src/discovery/kubernetes/kubernetes-store.ts';
import type { DocumentStore } from '../../../src/discovery/registry.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { ApiServer } from '../../backends/kubernetes/api-server.ts';
import { configMapPlace, makeConfigMap } from '../../backends/kubernetes/objects-of-tests.ts';

describe('KubernetesStore', () => {
  let server: ApiServer;
  let clock: VirtualClock;
  let registry: KubernetesRegistry;
  let store: DocumentStore;

  beforeEach(async () => {
    server = new ApiServer();
    await server.start();
    clock = new VirtualClock();
    registry = new KubernetesRegistry({ access: server.access, clock, random: seededRandom(1) });
    store = registry.store as DocumentStore;
  });

  afterEach(async () => {
    await registry.close();
    await server.stop();
  });

  async function isRefused(write: Promise<unknown>, code: 'INMESH_CONFLICT' | 'INMESH_OPTION' | 'INMESH_REGISTRY') {
    const error = await write.catch((thrown: unknown) => thrown);
    expect(isMeshError(error, code), String(error)).toBe(true);
    return String(error);
  }

  it('writes a document into a ConfigMap with the label, so that watches find it', async () => {
    const version = await store.write('mesh', 'services: []', undefined);
    const object = server.objects.get(configMapPlace, 'inmesh-mesh');
    expect(object).toMatchObject({
      metadata: { labels: { 'inmesh.dev/config': 'true' }, resourceVersion: version },
      data: { 'mesh.yaml': 'services: []' },
    });
    expect(await store.list()).toEqual([{ name: 'mesh', text: 'services: []', version }]);
    const documents = await new Promise((resolve, reject) => {
      registry.watchDocuments({
        set: (told) => {
          resolve(told);
          return { accepted: true };
        },
        absent: reject,
        failed: reject,
      });
    });
    expect(documents).toEqual([{ name: 'kubernetes:shop/inmesh-mesh/mesh.yaml', text: 'services: []' }]);
  });

  it('writes only over the version that is expected', async () => {
    const first = await store.write('mesh', '1', undefined);
    await isRefused(store.write('mesh', '2', undefined), 'INMESH_CONFLICT');
    const second = await store.write('mesh', '2', first);
    await isRefused(store.write('mesh', '3', first), 'INMESH_CONFLICT');
    await isRefused(store.write('mesh', undefined, first), 'INMESH_CONFLICT');
    await isRefused(store.write('other', '1', first), 'INMESH_CONFLICT');
    expect(await store.list()).toEqual([{ name: 'mesh', text: '2', version: second }]);
  });

  it.each([['1'], [undefined]])('lets one of two win that write %j at once', async (text) => {
    const first = await store.write('mesh', '0', undefined);
    const writes = await Promise.allSettled([store.write('mesh', text, first), store.write('mesh', 'other', first)]);
    const lost = writes.filter(({ status }) => status === 'rejected');
    expect(lost).toHaveLength(1);
    expect(isMeshError((lost[0] as PromiseRejectedResult).reason, 'INMESH_CONFLICT')).toBe(true);
    // The version in force and its loser are not in the history twice.
    expect((await store.history('mesh')).map((former) => former.text)).toEqual(['0']);
  });

  it('leaves what others wrote into the ConfigMap alone', async () => {
    const object = makeConfigMap(
      'inmesh-mesh',
      { 'mesh.yaml': '1', more: 'x' },
      { 'inmesh.dev/config': 'true', a: 'b' },
    );
    server.put(configMapPlace, { ...object, immutable: false });
    const [document] = await store.list();
    await store.write('mesh', '2', document?.version);
    expect(server.objects.get(configMapPlace, 'inmesh-mesh')).toMatchObject({
      metadata: { labels: { 'inmesh.dev/config': 'true', a: 'b' } },
      data: { 'mesh.yaml': '2', more: 'x' },
      immutable: false,
    });
  });

  it('keeps what a document was, newest first, also once it is deleted', async () => {
    let version = await store.write('mesh', '1', undefined);
    const versions = [version];
    await clock.advance(1_000);
    version = await store.write('mesh', '2', version);
    versions.push(version);
    await clock.advance(1_000);
    expect(await store.write('mesh', undefined, version)).toBeUndefined();
    expect(await store.list()).toEqual([]);
    const wall = new VirtualClock().wallTime();
    expect(await store.history('mesh')).toEqual([
      { name: 'mesh', text: '2', version: versions[1], replacedAt: wall + 2_000 },
      { name: 'mesh', text: '1', version: versions[0], replacedAt: wall + 1_000 },
    ]);
    await store.write('mesh', '3', undefined);
    expect(await store.history('mesh')).toHaveLength(2);
    expect(await store.history('other')).toEqual([]);
  });

  it('keeps the last 20 versions, and less than 900 kB of them', async () => {
    let version: string | undefined;
    for (let write = 0; write < 25; write++) version = await store.write('mesh', `text ${write}`, version);
    const texts = (await store.history('mesh')).map(({ text }) => text);
    expect(texts).toEqual(Array.from({ length: 20 }, (_, index) => `text ${23 - index}`));
    const large = 'ü'.repeat(200_000);
    for (const text of [`${large}1`, `${large}2`, `${large}3`, 'end'])
      version = await store.write('mesh', text, version);
    const kept = await store.history('mesh');
    expect(kept.map(({ text }) => text)).toEqual([`${large}3`, `${large}2`]);
    const stored = JSON.stringify(server.objects.get(configMapPlace, 'inmesh-mesh-history'));
    expect(Buffer.byteLength(stored)).toBeLessThan(1_000_000);
  });

  it('does not count a version as former whose replacement failed', async () => {
    const first = await store.write('mesh', '1', undefined);
    server.refuses = (request) => (/^PUT .*\/inmesh-mesh$/.test(request) ? 500 : undefined);
    expect(await isRefused(store.write('mesh', '2', first), 'INMESH_REGISTRY')).toContain('inmesh-mesh: status 500');
    expect(server.objects.get(configMapPlace, 'inmesh-mesh-history')).toBeDefined();
    server.refuses = () => undefined;
    expect(await store.history('mesh')).toEqual([]);
    await store.write('mesh', '3', first);
    expect((await store.history('mesh')).map(({ text }) => text)).toEqual(['1']);
  });

  it('lists what it may have written, and no other ConfigMap', async () => {
    server.put(configMapPlace, makeConfigMap('elsewhere', { 'mesh.yaml': '1' }));
    server.put(configMapPlace, makeConfigMap('inmesh-a', { 'b.yaml': '1' }));
    server.put(configMapPlace, makeConfigMap('inmesh-b', { 'b.yaml': '1' }, {}));
    for (let document = 0; document < 50; document++) await store.write(`d${document}`, 'x', undefined);
    const names = (await store.list()).map(({ name }) => name);
    expect(names).toHaveLength(50);
    expect(names).toEqual([...names].sort());
  });

  it.each(['', '-a', 'a/b', 'Mesh', 'a..', 'mesh-history', '../x', 'x'.repeat(240)])(
    'refuses the name %j',
    async (name) => {
      await isRefused(store.write(name, 'x', undefined), 'INMESH_OPTION');
      await isRefused(store.history(name), 'INMESH_OPTION');
      expect(server.requests).toEqual([]);
    },
  );

  it('says which right is missing', async () => {
    server.statuses.push(403);
    const message = await isRefused(store.write('mesh', '1', undefined), 'INMESH_REGISTRY');
    expect(message).toContain(`${registry.name}: configmaps of namespace shop, inmesh-mesh: status 403`);
    server.statuses.push(403);
    await isRefused(store.list(), 'INMESH_REGISTRY');
  });
});

describe('selectedLabels', () => {
  it.each([
    ['inmesh.dev/config=true', { 'inmesh.dev/config': 'true' }],
    ['a=b, c==d', { a: 'b', c: 'd' }],
    ['a!=b', undefined],
    ['a', undefined],
    ['a in (b,c)', undefined],
    ['', undefined],
  ])('knows what labels %j asks for', (selector, labels) => {
    expect(selectedLabels(selector)).toEqual(labels);
  });
});
