import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { assembleMesh, createMesh } from '../../src/adapters/create-mesh.ts';
import type { MeshDocument } from '../../src/config/schema.ts';
import { events } from '../../src/core/events.ts';
import type { Registry } from '../../src/discovery/registry.ts';
import { writeSnapshot } from '../../src/discovery/snapshot-file.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { codeOf } from './code-of.ts';
import { ManualRegistry } from './manual-registry.ts';
import { reviews, type VirtualMesh, virtualMesh, virtualMeshOver } from './virtual-mesh.ts';

const [a, b] = ['10.0.0.1:80', '10.0.0.2:80'] as const;
const good: MeshDocument = { services: [reviews([a])] };

let virtual: VirtualMesh | undefined;
let warned: MockInstance<typeof process.emitWarning>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(async () => {
  await virtual?.close();
  virtual = undefined;
  warned.mockRestore();
});

/** A mesh over a registry that has told `good` as version 1. */
async function openManual() {
  const registry = new ManualRegistry();
  const opening = virtualMeshOver(registry);
  await registry.tell(good, '1');
  const opened = await opening;
  virtual = opened;
  return opened;
}

async function status({ mesh, clock }: VirtualMesh, url = 'http://reviews/'): Promise<number | string> {
  const reply = mesh.request(url).then(({ statusCode }) => statusCode, codeOf);
  await clock.advance(50);
  return reply;
}

describe('a configuration that is not good', () => {
  it.each<[string, object, string]>([
    ['an unknown field', { services: [{ host: 'reviews', endpoint: [] }] }, 'endpoint'],
    [
      'a route to a service that is not there',
      { routes: [{ hosts: ['x'], http: [{ route: [{ destination: { host: 'y' } }] }] }] },
      'there is no service y',
    ],
    [
      'a certificate that is not there',
      { services: [{ host: 'reviews', trafficPolicy: { tls: { mode: 'SIMPLE', caCertificates: '/no/such.pem' } } }] },
      '/no/such.pem cannot be read',
    ],
    [
      'an address that nobody can have',
      { services: [{ host: 'reviews', endpoints: [{ address: '300.0.0.1:80' }] }] },
      'services[0].endpoints[0].address: is "300.0.0.1:80"',
    ],
    [
      'a name in subjectAltNames that none can have',
      { services: [{ ...reviews([a], { tls: { mode: 'SIMPLE' } }), subjectAltNames: ['10.0.0.1'] }] },
      'services[0].subjectAltNames[0]: is "10.0.0.1"',
    ],
  ])('changes nothing and is told everywhere: %s', async (_what, bad, problem) => {
    const told: unknown[] = [];
    const listen = (message: unknown) => void told.push(message);
    const opened = await openManual();
    events.configRejected.subscribe(listen);
    const verdict = await opened.registry.tell({ ...bad, outboundTrafficPolicy: { mode: 'ALLOW_ANY' } }, '2');
    events.configRejected.unsubscribe(listen);
    expect(verdict).toEqual({ accepted: false, problems: [expect.stringContaining(problem)] });
    expect(told).toEqual([{ registry: 'manual', version: '2', problems: [expect.stringContaining(problem)] }]);
    expect(warned).toHaveBeenCalledOnce();
    expect(warned.mock.calls[0]?.[0]).toContain('version 2 is refused, the last good one stays');
    expect(opened.mesh.status().configuration).toEqual({
      registry: 'manual',
      version: '1',
      problems: [expect.stringContaining(problem)],
      warnings: [],
    });
    expect([await status(opened), await status(opened, 'http://x/')]).toEqual([200, 'INMESH_UNKNOWN_HOST']);
    expect(opened.pools).toEqual([a]);
  });

  it('is forgotten with the next good one', async () => {
    const opened = await openManual();
    const accepted: unknown[] = [];
    const listen = (message: unknown) => void accepted.push(message);
    await opened.registry.tell({ nonsense: true }, '2');
    events.configAccepted.subscribe(listen);
    const next = { services: [{ ...reviews([b]), subjectAltNames: ['reviews'] }] };
    expect(await opened.registry.tell(next, '3')).toEqual({ accepted: true });
    events.configAccepted.unsubscribe(listen);
    expect(accepted).toEqual([{ registry: 'manual', version: '3' }]);
    expect(opened.mesh.status().configuration).toEqual({
      registry: 'manual',
      version: '3',
      problems: [],
      warnings: [expect.stringContaining('has no effect without trafficPolicy.tls')],
    });
    expect(Object.keys(opened.endpoints())).toEqual([b]);
  });

  it('because a part of it cannot be made leaves everything as it was', async () => {
    const opened = await openManual();
    const [c, d] = ['10.0.0.3:80', '10.0.0.4:80'] as const;
    const connect = opened.network.connect.bind(opened.network);
    const broken = vi.spyOn(opened.network, 'connect').mockImplementation((endpoint, ...rest) => {
      if (endpoint.host === '10.0.0.4') throw new TypeError('no such pool');
      return connect(endpoint, ...rest);
    });
    const next = {
      services: [
        { host: 'details', endpoints: [{ address: c }] },
        { host: 'reviews', endpoints: [{ address: b }, { address: d }], trafficPolicy: { timeout: '1s' } },
      ],
    };
    const problem = 'cannot be put in force: no such pool';
    expect(await opened.registry.tell(next, '2')).toEqual({ accepted: false, problems: [problem] });
    expect(opened.mesh.status()).toMatchObject({
      configuration: { version: '1', problems: [problem] },
      services: [{ host: 'reviews', endpoints: [{ address: a }] }],
    });
    expect([await status(opened), await status(opened, 'http://details/')]).toEqual([200, 'INMESH_UNKNOWN_HOST']);
    broken.mockRestore();
    expect(await opened.registry.tell(next, '3')).toEqual({ accepted: true });
    expect(await status(opened, 'http://details/')).toBe(200);
    expect(Object.keys(opened.endpoints())).toEqual([b, d]);
  });

  it('as the first one is the error of createMesh, with every problem', async () => {
    const registry = new ManualRegistry();
    const opening = virtualMeshOver(registry).catch((error: unknown) => error);
    void registry.tell({ services: [{ host: 'no host' }, { host: 'a', port: 0 }] }, '1');
    expect(await opening).toMatchObject({ code: 'INMESH_CONFIG' });
    expect(String(await opening)).toMatch(/services\[0\]\.host: .*\n.*services\[1\]\.port: /);
    expect(registry).toMatchObject({ closed: true, documents: [{ closed: true }] });
  });
});

describe('configurations that come fast', () => {
  it('leave the newest in force, also when an older one takes longer to read', async () => {
    const opened = await openManual();
    const comment = `# ${'x'.repeat(300_000)}\n`;
    const older = opened.registry.tellRaw({ name: 'large.yaml', text: `${comment}services: [{ host: old }]` }, '2');
    const newer = opened.registry.tell({ services: [reviews([b])] }, '3');
    expect(await Promise.all([older, newer])).toEqual([{ accepted: true }, { accepted: true }]);
    expect(opened.mesh.status()).toMatchObject({ configuration: { version: '3' }, services: [{ host: 'reviews' }] });
    expect(Object.keys(opened.endpoints())).toEqual([b]);
  });

  it('leave the newest in force when the older one was bad, and report none of it', async () => {
    const opened = await openManual();
    const verdicts = [opened.registry.tell({ nonsense: true }, '2'), opened.registry.tell(good, '3')];
    await Promise.all(verdicts);
    expect(opened.mesh.status().configuration).toMatchObject({ version: '3', problems: [] });
    expect(warned).not.toHaveBeenCalled();
  });

  it('leave the last good one in force when the newest is bad', async () => {
    const opened = await openManual();
    const next = { services: [reviews([b])] };
    const verdicts = await Promise.all([
      opened.registry.tell(next, '2'),
      opened.registry.tell({ nonsense: true }, '3'),
    ]);
    expect(verdicts).toMatchObject([{ accepted: true }, { accepted: false }]);
    expect(opened.mesh.status().configuration).toMatchObject({
      version: '2',
      problems: [expect.stringContaining('nonsense')],
    });
    expect(Object.keys(opened.endpoints())).toEqual([b]);
    await opened.registry.tell({ nonsense: true }, '4');
    expect(opened.mesh.status().configuration.version).toBe('2');
  });

  it('open a mesh with the last good one when the newest is bad', async () => {
    const registry = new ManualRegistry();
    const opening = virtualMeshOver(registry);
    void registry.tell(good, '1');
    void registry.tell({ nonsense: true }, '2');
    virtual = await opening;
    expect(virtual.mesh.status().configuration).toMatchObject({
      version: '1',
      problems: [expect.stringContaining('nonsense')],
    });
    expect(warned.mock.calls[0]?.[0]).toContain('version 2 is refused, the last good one stays');
  });

  it('open a mesh with the newest', async () => {
    const registry = new ManualRegistry();
    const opening = virtualMeshOver(registry);
    void registry.tell({ nonsense: true }, '1');
    void registry.tell(good, '2');
    virtual = await opening;
    expect(virtual.mesh.status().configuration.version).toBe('2');
  });
});

describe('a configuration that does not come', () => {
  async function openOver(registry: Registry) {
    const clock = new VirtualClock();
    const opening = assembleMesh({ service: 'a', registry, clock, readyTimeoutMs: 300 }).catch(
      (error: unknown) => error,
    );
    await clock.advance(299);
    const early = await Promise.race([opening, 'waiting']);
    const timersEarly = clock.pendingTimers;
    await clock.advance(1);
    return { early, timersEarly, error: await opening, timers: clock.pendingTimers };
  }

  it('is waited for as long as readyTimeoutMs says', async () => {
    const { early, error, timers } = await openOver(new ManualRegistry());
    expect(early).toBe('waiting');
    expect(error).toMatchObject({
      code: 'INMESH_REGISTRY',
      message: 'manual: no configuration within readyTimeoutMs 300: nothing came',
    });
    expect(timers).toBe(0);
  });

  it('is told with the last failure of the registry', async () => {
    const registry = new ManualRegistry();
    const opening = openOver(registry);
    const cause = new Error('no route to the registry');
    registry.documents[0]?.sink.failed(cause);
    const { error } = await opening;
    expect(error).toMatchObject({ code: 'INMESH_REGISTRY', cause });
    expect(String(error)).toContain('no route to the registry');
  });

  it('because the registry throws is the error of createMesh, and leaves nothing behind', async () => {
    const broken: Registry = {
      name: 'broken',
      watchDocuments() {
        throw new TypeError('not today');
      },
      async close() {},
    };
    const { early, timersEarly } = await openOver(broken);
    expect(early).toMatchObject({ message: 'not today' });
    expect(timersEarly).toBe(0);
  });
});

describe('a snapshot that is not good', () => {
  it('does not keep a mesh from waiting for its registry', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
    const snapshot = join(folder, 'snapshot');
    const bad = { version: '1', documents: [{ name: 'manual', value: { services: 5 } }] };
    const content = { savedAt: 1, documents: bad, endpoints: new Map() };
    await writeSnapshot(snapshot, 'manual', content, new VirtualClock());
    const registry = new ManualRegistry();
    const clock = new VirtualClock();
    const opening = createMesh({ service: 'a', registry, snapshot, clock });
    while (registry.documents.length === 0) await new Promise((resolve) => setImmediate(resolve));
    registry.documents[0]?.sink.failed(new Error('down'));
    await clock.advance(100);
    void registry.tell({ services: [{ host: 'reviews' }] }, '2');
    const mesh = await opening;
    expect(mesh.status().configuration).toMatchObject({ version: '2', snapshotAgeMs: undefined });
    await mesh.close();
    await rm(folder, { recursive: true });
  });
});

describe('a registry', () => {
  it('that fails is announced, and what it said before stays', async () => {
    const told: unknown[] = [];
    const listen = (message: unknown) => void told.push(message);
    const opened = await openManual();
    const error = new Error('gone');
    events.registryError.subscribe(listen);
    opened.registry.documents[0]?.sink.failed(error);
    events.registryError.unsubscribe(listen);
    expect(told).toEqual([{ registry: 'manual', error }]);
    expect(await status(opened)).toBe(200);
  });

  it('that fails is told by the status until it is read again', async () => {
    const opened = await openManual();
    opened.registry.documents[0]?.sink.failed(new Error('gone'));
    expect(opened.mesh.status().configuration).toMatchObject({
      version: '1',
      registryError: 'gone',
      registryFailedAt: opened.clock.wallTime(),
    });
    await opened.registry.tell(good, '2');
    expect(opened.mesh.status().configuration).toMatchObject({ registryError: undefined, registryFailedAt: undefined });
  });

  it('that has no documents any more leaves no service', async () => {
    const opened = await virtualMesh(good);
    virtual = opened;
    await opened.registry.setDocument(undefined);
    await opened.clock.advance(0);
    expect(await status(opened)).toBe('INMESH_UNKNOWN_HOST');
    expect(opened.mesh.status().services).toEqual([]);
  });

  it('is not listened to any more once the mesh is closed', async () => {
    const opened = await openManual();
    await opened.close();
    const pools = opened.pools.length;
    await opened.registry.tell({ services: [reviews([a, b])] }, '2');
    opened.registry.documents[0]?.sink.absent('3');
    await opened.clock.advance(0);
    expect(opened.mesh.status()).toMatchObject({ configuration: { version: '1' }, services: [] });
    expect(opened.pools).toHaveLength(pools);
    expect(opened.registry).toMatchObject({ closed: true, documents: [{ closed: true }] });
  });

  it('may tell a new configuration while the mesh closes', async () => {
    const opened = await openManual();
    const telling = opened.registry.tell({ services: [reviews([a, b])] }, '2');
    await Promise.all([opened.close(), telling]);
    expect(opened.mesh.status().services).toEqual([]);
    expect(opened.clock.pendingTimers).toBe(0);
  });
});
