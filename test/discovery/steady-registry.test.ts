import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Endpoint, endpointKey, makeEndpoint } from '../../src/core/endpoint.ts';
import { LastKnown } from '../../src/discovery/last-known.ts';
import type { EndpointChange, RawDocument, Registry, Sink, Verdict } from '../../src/discovery/registry.ts';
import { readSnapshot, writeSnapshot } from '../../src/discovery/snapshot-file.ts';
import type { DocumentSink } from '../../src/discovery/steady-documents.ts';
import { SteadyRegistry } from '../../src/discovery/steady-registry.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** A driver that a test plays. */
class PlayedRegistry implements Registry {
  readonly name = 'played:';
  readonly endpoints = new Map<string, Sink<EndpointChange>>();
  documents: Sink<readonly RawDocument[]> | undefined;

  watchDocuments(sink: Sink<readonly RawDocument[]>) {
    this.documents = sink;
    return { close: () => {} };
  }

  watchEndpoints(service: string, sink: Sink<EndpointChange>) {
    this.endpoints.set(service, sink);
    return { close: () => void this.endpoints.delete(service) };
  }

  async close() {}
}

/** Remembers what it is told; documents with the text `bad` are refused. */
class Listener {
  readonly told: string[] = [];
  readonly documents: DocumentSink = {
    recall: async (documents, version) => this.documents.set(documents, version),
    set: (documents, version): Verdict => {
      const texts = documents.map(({ text }) => text).join();
      this.told.push(`${version}: ${texts}`);
      return texts === 'bad' ? { accepted: false, problems: ['it is bad'] } : { accepted: true };
    },
    absent: () => void this.told.push('absent'),
    failed: (error) => void this.told.push(`failed: ${error.message}`),
  };
  readonly endpoints: Sink<EndpointChange> = {
    set: (change) => {
      const put = 'full' in change ? change.full : change.put;
      this.told.push(put.map(endpointKey).join());
      return { accepted: true };
    },
    absent: () => void this.told.push('absent'),
    failed: (error) => void this.told.push(`failed: ${error.message}`),
  };
}

function endpoint(host: string, parts: Partial<Endpoint> = {}): Endpoint {
  return makeEndpoint({ host, port: 80, ...parts });
}

let folder: string;
let path: string;
const warnings: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inmesh-snapshot-'));
  path = join(folder, 'state', 'mesh.snapshot');
  warnings.length = 0;
});

afterEach(() => rm(folder, { recursive: true }));

async function open(snapshot: string | undefined = path) {
  const clock = new VirtualClock();
  const driver = new PlayedRegistry();
  const warn = (message: string) => void warnings.push(message);
  const lastKnown = new LastKnown({ path: snapshot, registry: driver.name, clock, warn });
  await lastKnown.read();
  const registry = new SteadyRegistry(driver, { clock, lastKnown });
  const listener = new Listener();
  return { clock, driver, registry, listener };
}

type Opened = Awaited<ReturnType<typeof open>>;

function watchDocuments({ registry, listener, driver }: Opened) {
  registry.watchDocuments?.(listener.documents);
  return driver.documents as Sink<readonly RawDocument[]>;
}

function watchEndpoints({ registry, listener, driver }: Opened, service = 'reviews') {
  const watch = registry.watchEndpoints?.(service, listener.endpoints);
  return { watch, sink: driver.endpoints.get(service) as Sink<EndpointChange> };
}

/** What a process wrote that ran before. */
async function runBefore(): Promise<void> {
  const before = await open();
  await watchDocuments(before).set([{ name: 'mesh', text: 'good' }], '7');
  void watchEndpoints(before).sink.set({ full: [endpoint('10.0.0.1', { labels: { a: 'b' }, weight: 3 })] }, '1');
  await before.registry.close();
}

describe('a process that starts while its registry is down', () => {
  it('runs on the documents and endpoints of the one before it', async () => {
    await runBefore();
    const now = await open();
    const documents = watchDocuments(now);
    const { sink } = watchEndpoints(now);
    expect(now.listener.told).toEqual([]);
    documents.failed(new Error('down'));
    sink.failed(new Error('down'));
    expect(now.listener.told).toEqual(['7: good', 'failed: down', '10.0.0.1:80', 'failed: down']);
    await now.clock.advance(0);
    expect(now.registry.runsOnSnapshot).toBe(true);
    await documents.set([{ name: 'mesh', text: 'new' }], '8');
    expect(now.registry.runsOnSnapshot).toBe(false);
  });

  it('runs on them as well when the registry says nothing for a second', async () => {
    await runBefore();
    const now = await open();
    watchDocuments(now);
    watchEndpoints(now);
    await now.clock.advance(999);
    expect(now.listener.told).toEqual([]);
    await now.clock.advance(1);
    expect(now.listener.told).toEqual(['7: good', '10.0.0.1:80']);
  });

  it('runs on them when the first document of the registry is bad', async () => {
    await runBefore();
    const now = await open();
    const verdict = await watchDocuments(now).set([{ name: 'mesh', text: 'bad' }], '8');
    expect(verdict).toEqual({ accepted: false, problems: ['it is bad'] });
    expect(now.listener.told).toEqual(['7: good', '8: bad']);
  });

  it('needs no documents when there were none', async () => {
    const before = await open();
    watchDocuments(before).absent('3');
    await before.registry.close();
    const now = await open();
    watchDocuments(now).failed(new Error('down'));
    expect(now.listener.told).toEqual(['absent', 'failed: down']);
    expect(now.registry.runsOnSnapshot).toBe(true);
  });

  it('keeps what was known when the first thing that the registry says is that it has nothing', async () => {
    await runBefore();
    const now = await open();
    watchDocuments(now).absent('1');
    expect(now.listener.told).toEqual(['7: good', expect.stringContaining('the last ones stay in force')]);
    watchEndpoints(now).sink.absent('1');
    expect(now.listener.told.slice(2)).toEqual(['10.0.0.1:80', expect.stringContaining('vanished at once')]);
    await now.clock.advance(30_000);
    expect(now.listener.told.at(-1)).toBe('absent');
  });

  it('takes the endpoints that the registry names first in place of those that were known', async () => {
    await runBefore();
    const now = await open();
    void watchEndpoints(now).sink.set({ full: [endpoint('10.0.0.2')] }, '1');
    await now.registry.close();
    const content = await readSnapshot(path, 'played:', now.clock);
    expect(content?.endpoints.get('reviews')?.map(endpointKey)).toEqual(['10.0.0.2:80']);
  });

  it('keeps what it runs on when the registry comes back empty', async () => {
    await runBefore();
    const now = await open();
    const documents = watchDocuments(now);
    documents.failed(new Error('down'));
    documents.absent('1');
    expect(now.listener.told.at(-1)).toContain('there are no documents any more; the last ones stay in force');
    await now.clock.advance(0);
    expect(now.registry.runsOnSnapshot).toBe(true);
  });
});

describe('the documents of a registry', () => {
  it('stay when there are none any more, and are replaced by the next', async () => {
    const now = await open(undefined);
    const documents = watchDocuments(now);
    await documents.set([{ name: 'mesh', text: 'good' }], '1');
    documents.absent('2');
    await documents.set([{ name: 'mesh', text: 'other' }], '3');
    expect(now.listener.told).toEqual(['1: good', expect.stringContaining('the last ones stay'), '3: other']);
  });
});

describe('versions that come faster than they are judged', () => {
  /** Answers when it is told to. */
  function slowListener() {
    const judges: ((accepted: boolean) => void)[] = [];
    const set = () =>
      new Promise<Verdict>((resolve) =>
        judges.push((accepted) => resolve(accepted ? { accepted } : { accepted, problems: ['bad'] })),
      );
    return { judges, sink: { set, recall: set, absent: () => {}, failed: () => {} } };
  }

  it.each([
    [[true, true, true], '3'],
    [[true, false, true], '3'],
    [[true, true, false], '2'],
    [[true, false, false], '1'],
  ])('leave %j in the snapshot what is in force', async (verdicts, kept) => {
    const now = await open();
    const { judges, sink } = slowListener();
    now.registry.watchDocuments?.(sink);
    const told = verdicts.map((_, index) =>
      now.driver.documents?.set([{ name: 'mesh', text: String(index + 1) }], String(index + 1)),
    );
    for (const [index, accepted] of verdicts.entries()) judges[index]?.(accepted);
    await Promise.all(told);
    await now.registry.close();
    expect((await readSnapshot(path, 'played:', now.clock))?.documents?.version).toBe(kept);
  });
});

describe('a service that is watched again while the registry is down', () => {
  it('has the endpoints that it had', async () => {
    const now = await open(undefined);
    const first = watchEndpoints(now);
    void first.sink.set({ full: [endpoint('10.0.0.1')] }, '1');
    first.watch?.close();
    const again = watchEndpoints(now);
    again.sink.failed(new Error('down'));
    expect(now.listener.told).toEqual(['10.0.0.1:80', '10.0.0.1:80', 'failed: down']);
  });
});

describe('a watch', () => {
  it('tells nothing once it is closed, whatever its driver says', async () => {
    const now = await open(undefined);
    const { watch, sink } = watchEndpoints(now);
    watch?.close();
    await sink.set({ full: [endpoint('10.0.0.1')] }, '1');
    sink.absent('2');
    sink.failed(new Error('down'));
    expect(now.listener.told).toEqual([]);
    expect(now.clock.pendingTimers).toBe(0);
  });
});

describe('a snapshot', () => {
  it('is written within a second of a change, whole, and readable by its owner alone', async () => {
    const now = await open();
    void watchEndpoints(now).sink.set({ full: [endpoint('10.0.0.1')] }, '1');
    await now.clock.advance(1_000);
    await now.registry.close();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'state'))).toEqual(['mesh.snapshot']);
    const content = await readSnapshot(path, 'played:', now.clock);
    expect([...(content?.endpoints ?? [])]).toEqual([['reviews', [endpoint('10.0.0.1')]]]);
  });

  it('brings back documents, labels, weights, localities and many endpoints as they were', async () => {
    const clock = new VirtualClock();
    const many = Array.from({ length: 1_234 }, (_, index) =>
      endpoint(`10.0.${index >> 8}.${index & 255}`, { weight: index, locality: 'eu/a', labels: { n: 'é"\n' } }),
    );
    const documents = {
      version: '3',
      documents: [
        { name: 'a', text: 'x: "ü"\n' },
        { name: 'b', value: { c: [1] } },
      ],
    };
    const written = {
      savedAt: 5,
      documents,
      endpoints: new Map([
        ['many', many],
        ['none', []],
      ]),
    };
    await writeSnapshot(path, 'played:', written, clock);
    expect(await readSnapshot(path, 'played:', clock)).toEqual(written);
  });

  it.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20), 'not whole'],
    ['changed', (bytes: Buffer) => Buffer.from(bytes.toString().replace('10.0.0.1', '10.0.0.9')), 'was changed'],
    ['empty', () => Buffer.alloc(0), 'not whole'],
    ['something else', () => Buffer.from('services: []\n'), 'not whole'],
  ])('that is %s is reported and not used', async (_what, damage, message) => {
    await runBefore();
    await writeFile(path, damage(await readFile(path)));
    const now = await open();
    watchDocuments(now).failed(new Error('down'));
    expect(now.listener.told).toEqual(['failed: down']);
    expect(warnings).toEqual([expect.stringContaining(`snapshot ${path} is not used`)]);
    expect(warnings[0]).toContain(message);
  });

  it('of another registry is reported and not used', async () => {
    await writeSnapshot(path, 'other:', { savedAt: 1, documents: undefined, endpoints: new Map() }, new VirtualClock());
    await open();
    expect(warnings).toEqual([expect.stringContaining('it is of the registry other:')]);
  });

  it('that cannot be written is reported once, and disturbs nothing', async () => {
    await writeFile(join(folder, 'state'), 'a file');
    const now = await open();
    const { sink } = watchEndpoints(now);
    warnings.length = 0;
    for (const host of ['10.0.0.1', '10.0.0.2']) {
      void sink.set({ full: [endpoint(host)] }, host);
      await now.clock.advance(1_000);
    }
    await now.registry.close();
    expect(warnings).toEqual([expect.stringContaining('cannot be written')]);
  });
});
