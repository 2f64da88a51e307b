import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { isMeshError } from '../../../src/core/errors.ts';
import { events } from '../../../src/core/events.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { nextIndex } from '../../../src/discovery/consul/consul-poll.ts';
import { ConsulRegistry } from '../../../src/discovery/consul/consul-registry.ts';
import { openRegistry } from '../../../src/discovery/open-registry.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { DocumentRecorder } from '../document-recorder.ts';
import { EndpointRecorder } from '../endpoint-recorder.ts';
import { type FakeAnswer, type FakeConsul, type FakeRequest, fakeConsul, healthEntry } from './fake-consul.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(answer: (request: FakeRequest, turn: number) => FakeAnswer | Promise<FakeAnswer>, query = '') {
  let turn = 0;
  const fake: FakeConsul = await fakeConsul((request) => answer(request, ++turn));
  const registry = new ConsulRegistry({
    address: `//${fake.host}${query}`,
    clock: systemClock,
    random: systemRandom,
    backoffMs: 1,
    maxBackoffMs: 5,
  });
  cleanups.push(
    () => fake.dispose(),
    () => registry.close(),
  );
  return { fake, registry, recorder: new EndpointRecorder() };
}

const one = healthEntry('10.0.0.1', 80);
const two = healthEntry('10.0.0.2', 80);

describe('nextIndex', () => {
  it.each([
    [0, 7, 7],
    [7, 7, 7],
    [7, 9, 9],
    [9, 7, 0],
    [9, 1, 0],
  ])('after %i, and an answer with %i, is %i', (index, answered, next) => {
    expect(nextIndex(index, answered)).toBe(next);
  });
});

describe('ConsulRegistry', () => {
  it('is opened by its scheme, and named without secrets', async () => {
    const parts = { clock: systemClock, random: systemRandom };
    const registry = openRegistry('consul://127.0.0.1/mesh?token=secret', parts);
    expect(registry.name).toBe('consul://127.0.0.1:8500/mesh');
    expect(registry.store).toBeDefined();
    await registry.close();
  });

  it('asks for the state first, and then waits for the next', async () => {
    const { fake, registry, recorder } = await start(
      (_, turn) => (turn === 1 ? { index: 7, body: [one] } : turn === 2 ? { index: 9, body: [one, two] } : undefined),
      '?token=secret&near=_agent&dc=dc1&wait=5s',
    );
    registry.watchEndpoints('web/1', recorder.sink);
    await fake.came(3);
    expect(recorder.told).toEqual(['10.0.0.1:80', '10.0.0.1:80,10.0.0.2:80']);
    expect(fake.requests.map(({ path }) => path)).toEqual(Array(3).fill('/v1/health/service/web%2F1'));
    const always = { passing: 'true', near: '_agent', dc: 'dc1', stale: '' };
    expect(fake.requests.map(({ query }) => Object.fromEntries(query))).toEqual([
      always,
      { ...always, index: '7', wait: '5000ms' },
      { ...always, index: '9', wait: '5000ms' },
    ]);
    expect(fake.requests[0]?.headers['x-consul-token']).toBe('secret');
  });

  it('tells nothing when the index has moved and the instances have not', async () => {
    const { fake, registry, recorder } = await start((_, turn) =>
      turn <= 4 ? { index: turn, body: turn < 4 ? [one, two] : [two, one] } : undefined,
    );
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(5);
    expect(recorder.told).toEqual(['10.0.0.1:80,10.0.0.2:80']);
  });

  it('asks for the state anew when the index goes backwards', async () => {
    const answers: FakeAnswer[] = [
      { index: 100, body: [one] },
      { index: 3, body: [two] },
      { index: 4, body: [one] },
    ];
    const { fake, registry, recorder } = await start((_, turn) => answers[turn - 1]);
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(4);
    expect(fake.requests.map(({ query }) => query.get('index'))).toEqual([null, '100', null, '4']);
    expect(recorder.told).toEqual(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.1:80']);
  });

  it('waits after an index of 0, which is none', async () => {
    const { fake, registry, recorder } = await start((_, turn) => (turn === 1 ? { index: 0, body: [one] } : undefined));
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(2);
    expect(fake.requests[1]?.query.get('index')).toBe('1');
  });

  it.each<[string, FakeAnswer, string]>([
    ['no index', { body: [one] }, 'service web: status 200 without X-Consul-Index; is this a Consul?'],
    ['an index that is none', { index: 'x', body: [one] }, 'without X-Consul-Index'],
    ['a page', { index: 1, body: '<html>' }, 'service web: what came is no JSON array'],
    ['an object', { index: 1, body: { a: 1 } }, 'service web: what came is no JSON array'],
    ['nonsense in the list', { index: 1, body: '[nonsense]' }, 'service web: '],
    ['half a reply', { index: 1, body: [one], cut: true }, '/v1/health/service/web: '],
    ['no leader', { status: 500, body: 'No cluster leader' }, 'service web: refused, status 500: No cluster leader'],
    ['too many requests', { status: 429, body: 'Your IP is issuing too many' }, 'service web: refused, status 429'],
    [
      'no permission',
      { status: 403, body: 'ACL not found' },
      'service web: permission denied, status 403: ACL not found',
    ],
  ])('tells a failure after %s, and then what is there', async (_, bad, message) => {
    const { fake, registry, recorder } = await start((_request, turn) =>
      turn === 1 || turn === 3 ? { index: turn, body: [one] } : turn === 2 ? bad : undefined,
    );
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(4);
    expect(recorder.told).toEqual(['10.0.0.1:80', expect.stringContaining(message), '10.0.0.1:80']);
    expect(recorder.told[1]).toContain(`consul://${fake.host}`);
    expect(fake.requests[2]?.query.get('index')).toBe(null);
  });

  it('repeats at most 200 characters of an error, and never the token', async () => {
    const secret = 'c0ffee-secret-token';
    const { fake, registry } = await start(
      () => ({ status: 403, body: `token ${secret} is unknown, ${'x'.repeat(1_000)} ${secret}` }),
      `?token=${secret}`,
    );
    const errors: Error[] = [];
    const failed = new Promise<void>((resolve) => {
      const tell = (error: Error) => {
        errors.push(error);
        if (errors.length === 2) resolve();
      };
      registry.watchEndpoints('web', { set: () => ({ accepted: true }), absent: () => {}, failed: tell });
    });
    await failed;
    await expect(registry.store.list()).rejects.toThrow('permission denied');
    await registry.store.list().catch((error) => errors.push(error));
    for (const error of errors) {
      expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
      expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain(secret);
      expect(error.message).toContain('token … is unknown');
      expect(error.message.length).toBeLessThan(400);
    }
    expect(fake.requests[0]?.headers['x-consul-token']).toBe(secret);
  });

  it('takes a token file as it is at each request', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-token-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    const file = join(folder, 'token');
    await writeFile(file, 'first');
    let renew: Promise<void> | undefined;
    const { fake, registry, recorder } = await start(async (_, turn) => {
      if (turn === 1) renew = writeFile(file, 'second one');
      await renew;
      return turn === 1 ? { index: 1, body: [one] } : undefined;
    }, `?tokenFile=${file}`);
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(2);
    expect(fake.requests.map(({ headers }) => headers['x-consul-token'])).toEqual(['first', 'second one']);
  });

  it('leaves out what is malformed, and names it', async () => {
    const bad = healthEntry('10.0.0.3', 0, { ID: 'web-bad' });
    const answers = [[one], [one, bad], [one, bad, two], [bad], [bad], [one]];
    const { fake, registry, recorder } = await start((_, turn) => {
      const body = answers[turn - 1];
      return body && { index: turn, body };
    });
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(7);
    const problem = expect.stringMatching(/service web: instance web-bad: 10\.0\.0\.3:0 is no address/);
    expect(recorder.told).toEqual([
      '10.0.0.1:80',
      '10.0.0.1:80',
      problem,
      '10.0.0.1:80,10.0.0.2:80',
      // All are malformed: what was told stays, and the problem is known.
      '10.0.0.1:80',
    ]);
  });

  it('tells apart a service that is unknown and one of which no instance is well', async () => {
    const { fake, registry, recorder } = await start(({ path, query }, turn) => {
      if (path === '/v1/catalog/service/web') return { index: 1, body: turn === 2 ? [] : [{}, {}] };
      if (path === '/v1/config/service-defaults/web') return { status: 404, index: 1, body: '' };
      return turn <= 6 ? { index: turn, body: query.has('index') && turn === 6 ? [one] : [] } : undefined;
    });
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(7);
    expect(fake.requests.map(({ path }) => path.split('/')[2])).toEqual([
      // Before it is said to be unknown, that it may be read is asked for once more.
      ...['health', 'catalog', 'config', 'health', 'catalog', 'health', 'health'],
    ]);
    expect(recorder.told).toEqual(['absent', '', '10.0.0.1:80']);
  });

  it('counts instances with a warning where the address says so, and never critical ones', async () => {
    const service = { Weights: { Passing: 9, Warning: 2 } };
    const warned = { ...healthEntry('10.0.0.1', 80, service), Checks: [{ Status: 'warning' }] };
    const critical = { ...healthEntry('10.0.0.2', 80), Checks: [{ Status: 'critical' }] };
    const { fake, registry, recorder } = await start(
      (_, turn) =>
        turn === 1 ? { index: 1, body: [warned, critical] } : turn === 2 ? { index: 2, body: [critical] } : undefined,
      '?passing=false',
    );
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(3);
    expect(fake.requests[0]?.query.has('passing')).toBe(false);
    expect(recorder.told).toEqual(['10.0.0.1:80', '']);
    expect(recorder.changes[0]).toMatchObject({ full: [{ weight: 2 }] });
  });

  it('lets a waiting query end by itself when the watch is closed, and tells nothing', async () => {
    let answer: (found: FakeAnswer) => void = () => {};
    const waiting = new Promise<FakeAnswer>((resolve) => (answer = resolve));
    const { fake, registry, recorder } = await start((_, turn) => (turn === 1 ? { index: 1, body: [one] } : waiting));
    const watch = registry.watchEndpoints('web', recorder.sink);
    await fake.came(2);
    watch.close();
    watch.close();
    let isGone = false;
    void fake.requests[1]?.gone.then(() => (isGone = true));
    // Another question is answered meanwhile.
    await registry.store.list().catch(() => {});
    registry.watchEndpoints('other', new EndpointRecorder().sink);
    await fake.came(4);
    expect(isGone).toBe(false);
    answer({ index: 2, body: [two] });
    await fake.requests[1]?.gone;
    expect(recorder.told).toEqual(['10.0.0.1:80']);
  });

  it('ends the queries of watches that were closed when it is closed itself', async () => {
    const { fake, registry, recorder } = await start((_, turn) => (turn === 1 ? { index: 1, body: [one] } : undefined));
    const watch = registry.watchEndpoints('web', recorder.sink);
    await fake.came(2);
    watch.close();
    await registry.close();
    await fake.requests[1]?.gone;
    expect(recorder.told).toEqual(['10.0.0.1:80']);
  });

  it('never has more than 20 connections, however many watches come and go', async () => {
    const open = new Set<FakeRequest>();
    let most = 0;
    const { fake, registry } = await start((request) => {
      open.add(request);
      most = Math.max(most, open.size);
      void request.gone.then(() => open.delete(request));
      return request.query.has('index') ? undefined : { index: 1, body: [one] };
    });
    for (const round of ['a', 'b', 'c']) {
      const watches = Array.from({ length: 30 }, (_, at) =>
        registry.watchEndpoints(`${round}${at}`, new EndpointRecorder().sink),
      );
      const asked = (path: string) => fake.requests.some((request) => request.path === `/v1/health/service/${path}`);
      for (let count = 1; !asked(`${round}29`); count++) await fake.came(count);
      for (const watch of watches) watch.close();
    }
    expect(most).toBeGreaterThanOrEqual(16);
    expect(most).toBeLessThanOrEqual(20);
  });

  it.each<[string, FakeAnswer]>([
    ['the server refuses its defaults', { status: 403, body: 'Permission denied' }],
    ['the answer says so', undefined],
  ])('tells that a service may not be seen, rather than that there is none, when %s', async (_, refusal) => {
    const { registry, recorder } = await start(({ path, query }) => {
      if (path.startsWith('/v1/config/')) return refusal;
      return query.has('index') ? undefined : { index: 1, body: [], isFiltered: refusal === undefined };
    });
    registry.watchEndpoints('web', recorder.sink);
    await recorder.until('permission denied');
    expect(recorder.told.join()).not.toContain('absent');
    expect(recorder.told[0]).toContain(`${registry.name}: service web: permission denied`);
  });

  it('takes the instances that may be seen, and says that there are others', async () => {
    const { fake, registry, recorder } = await start((_, turn) =>
      turn < 3 ? { index: turn, body: [one], isFiltered: true } : undefined,
    );
    registry.watchEndpoints('web', recorder.sink);
    await fake.came(3);
    expect(recorder.told).toEqual(['10.0.0.1:80', expect.stringContaining('permission denied for some')]);
  });

  it('does not ask whether a host with a dot may be read, which is no service of Consul', async () => {
    const { registry, recorder } = await start(({ path, query }) => {
      if (path.startsWith('/v1/config/')) return { status: 403 };
      return query.has('index') ? undefined : { index: 1, body: [] };
    });
    registry.watchEndpoints('api.example.com', recorder.sink);
    await recorder.until('absent');
    expect(recorder.told).toEqual(['absent']);
  });

  it('says what may be the reason when connections are closed at once', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `//127.0.0.1:${(server.address() as AddressInfo).port}`;
    const registry = new ConsulRegistry({ address, clock: systemClock, random: systemRandom });
    cleanups.push(
      async () => server.close(),
      () => registry.close(),
    );
    await expect(registry.store.list()).rejects.toThrow('limits.http_max_conns_per_client');
  });

  it('tells nothing when it is closed in the middle of a reply', async () => {
    const { fake, registry, recorder } = await start(() => ({ index: 1, body: Array(20_000).fill(one) }));
    const watch = registry.watchEndpoints('web', recorder.sink);
    await fake.came(1);
    watch.close();
    await fake.requests[0]?.gone;
    expect(recorder.told).toEqual([]);
  });

  it('asks ten times in a row, and then waits, however fast it is answered', async () => {
    const clock = new VirtualClock();
    const fake = await fakeConsul(({ query }) => {
      const index = Number(query.get('index') ?? 0) + 1;
      return { index, body: [healthEntry('10.0.0.1', index)] };
    });
    const registry = new ConsulRegistry({ address: `//${fake.host}`, clock, random: systemRandom });
    cleanups.push(
      () => fake.dispose(),
      () => registry.close(),
    );
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('web', recorder.sink);
    await recorder.until('10.0.0.1:10');
    await clock.advance(99);
    expect(fake.requests).toHaveLength(10);
    await clock.advance(1);
    await recorder.until('10.0.0.1:11');
    expect(fake.requests).toHaveLength(11);
  });

  it('reads 10,000 instances without holding up the event loop', async () => {
    const service = { Meta: { version: 'v1', filler: 'x'.repeat(600) }, Tags: ['a', 'b'] };
    const body = Array.from({ length: 10_000 }, (_, at) => healthEntry(`10.1.${at >> 8}.${at & 255}`, 80, service));
    const text = JSON.stringify(body);
    const { registry, recorder } = await start((_, turn) => (turn === 1 ? { index: 1, body: text } : undefined));
    let [turns, isDone] = [0, false];
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    recorder.onTold = () => {
      isDone = true;
    };
    registry.watchEndpoints('web', recorder.sink);
    await recorder.until('10.1.39.15:80');
    expect(recorder.endpoints.size).toBe(10_000);
    expect(turns).toBeGreaterThan(10);
  });

  it('goes to the next server when one has no leader', async () => {
    const bad = await fakeConsul(() => ({ status: 500, body: 'No cluster leader' }));
    cleanups.push(() => bad.dispose());
    const good = await fakeConsul((request) => (request.query.has('index') ? undefined : { index: 1, body: [one] }));
    cleanups.push(() => good.dispose());
    const address = `//${bad.host},${good.host}`;
    const registry = new ConsulRegistry({ address, clock: systemClock, random: systemRandom, backoffMs: 1 });
    cleanups.push(() => registry.close());
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('web', recorder.sink);
    await recorder.until('10.0.0.1:80');
    expect(recorder.told).toEqual([expect.stringContaining('No cluster leader'), '10.0.0.1:80']);
  });
});

describe('documents of ConsulRegistry', () => {
  function key(name: string, text: string, ModifyIndex = 5) {
    return { Key: `inmesh/documents/${name}`, Value: Buffer.from(text).toString('base64'), ModifyIndex };
  }

  it('are the keys below the prefix, with the text of each', async () => {
    const folder = { Key: 'inmesh/documents/team/', Value: null, ModifyIndex: 4 };
    const { fake, registry } = await start((_, turn) =>
      turn === 1 ? { index: 7, body: [key('mesh', 'a: "é"'), folder, key('team/x', '')] } : undefined,
    );
    const recorder = new DocumentRecorder();
    registry.watchDocuments(recorder.sink);
    await fake.came(2);
    expect(fake.requests.map(({ path }) => path)).toEqual(Array(2).fill('/v1/kv/inmesh/documents/'));
    expect(recorder.documents).toEqual([
      {
        version: '7',
        all: [
          { name: `consul://${fake.host}/inmesh/documents/mesh`, text: 'a: "é"' },
          { name: `consul://${fake.host}/inmesh/documents/team/x`, text: '' },
        ],
      },
    ]);
  });

  it('are told again only when they have changed, or after a failure', async () => {
    const answers: FakeAnswer[] = [
      { index: 1, body: [key('a', 'x')] },
      { index: 2, body: [key('a', 'x', 9)] },
      { index: 3, body: [key('a', 'y')] },
      { status: 500, body: 'rpc error' },
      { index: 3, body: [key('a', 'y')] },
    ];
    const { fake, registry } = await start((_, turn) => answers[turn - 1]);
    const recorder = new DocumentRecorder();
    registry.watchDocuments(recorder.sink);
    await fake.came(6);
    expect(recorder.documents.map(({ all, version }) => [all[0]?.text, version])).toEqual([
      ['x', '1'],
      ['y', '3'],
      ['y', '3'],
    ]);
    expect(recorder.told[2]).toContain('key inmesh/documents/: refused, status 500: rpc error');
  });

  it.each<[string, FakeAnswer]>([
    ['what is no key', { index: 1, body: [{ Key: 1 }] }],
    ['no list', { index: 1, body: 'null' }],
  ])('are not what has the form of %s', async (_, bad) => {
    const { registry } = await start((_request, turn) => (turn === 1 ? bad : { index: 2, body: [key('a', 'x')] }));
    const recorder = new DocumentRecorder();
    registry.watchDocuments(recorder.sink);
    await recorder.until(() => recorder.documents.length > 0);
    expect(recorder.told[0]).toContain('key inmesh/documents/: ');
  });

  it.each<[string, FakeAnswer, FakeAnswer]>([
    ['the server refuses the folder', { status: 404, index: 1 }, { status: 403, body: 'Permission denied' }],
    ['some are left out', { index: 1, body: [key('a', 'x')], isFiltered: true }, undefined],
  ])('are not taken for absent, nor for all, when %s', async (_, list, folder) => {
    const { registry } = await start(({ query }) =>
      query.has('index') ? undefined : query.has('recurse') ? list : folder,
    );
    const recorder = new DocumentRecorder();
    registry.watchDocuments(recorder.sink);
    await recorder.until(() => recorder.told.length > 0);
    expect(recorder.told[0]).toContain(`${registry.name}: key inmesh/documents/: permission denied`);
    expect(recorder.documents).toEqual([]);
  });

  it.each([
    ['/blue', ['documents: no key below blue/documents/']],
    ['', []],
  ])('are told to be missing once where the prefix %j is given', async (prefix, expected) => {
    const { fake, registry } = await start(({ path, query }, turn) => {
      if (path.startsWith('/v1/kv/')) return turn < 12 ? { status: 404, index: turn } : undefined;
      return query.has('index') ? undefined : { index: 6, body: [] };
    }, prefix);
    const told: string[] = [];
    const listen = (message: unknown) => void told.push((message as { error: Error }).error.message);
    events.registryError.subscribe(listen);
    try {
      const recorder = new DocumentRecorder();
      registry.watchDocuments(recorder.sink);
      await recorder.until(() => recorder.told.length > 0);
      await fake.came(12);
      expect(recorder.told).toEqual(['absent']);
      expect(told).toEqual(expected.map((text) => `${registry.name}: ${text}`));
    } finally {
      events.registryError.unsubscribe(listen);
    }
  });

  it('are absent when there is neither a key nor an entry, once all kinds have answered', async () => {
    const { fake, registry } = await start(({ path, query }) => {
      if (query.has('index')) return undefined;
      return path.startsWith('/v1/kv/') ? { status: 404, index: 5 } : { index: 6, body: [] };
    });
    const recorder = new DocumentRecorder();
    registry.watchDocuments(recorder.sink);
    await recorder.until(() => recorder.told.length > 0);
    expect(recorder.told).toEqual(['absent']);
    await fake.came(10);
    expect(new Set(fake.requests.map(({ path }) => path)).size).toBe(5);
  });
});

describe('the store of ConsulRegistry', () => {
  it.each<[string, FakeAnswer]>([
    ['a page', { body: '<html>' }],
    ['no list', { body: '{}' }],
    ['what is no key', { body: [{}] }],
  ])('names the key when it gets %s', async (_, answer) => {
    const { fake, registry } = await start(() => answer);
    const { store } = registry;
    for (const ask of [() => store.list(), () => store.history('mesh'), () => store.write('a', '', '1')]) {
      const asking = ask();
      await expect(asking).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
      await expect(asking).rejects.toThrow(`consul://${fake.host}: key inmesh/`);
    }
  });

  it.each([
    ['{"Results":null}', 200, 'a transaction has no index'],
    ['Permission denied', 409, 'not written: Permission denied'],
    ['{"Errors":[{"What":"one"},{"What":"two"}]}', 409, 'not written: one; two'],
  ])('says what came in place of a result: %s', async (body, status, message) => {
    const { registry } = await start(({ path }) => (path === '/v1/txn' ? { status, body } : { status: 404, index: 1 }));
    const writing = registry.store.write('mesh', 'text', undefined);
    await expect(writing).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    await expect(writing).rejects.toThrow(`key inmesh/documents/mesh: ${message}`);
  });

  it('does not take the 404 of another server for that there is nothing', async () => {
    const { fake, registry } = await start(() => ({ status: 404, body: 'not found' }));
    const { store } = registry;
    const asks = [
      () => store.list(),
      () => store.history('mesh'),
      () => store.reports?.(),
      () => store.write('a', 'b', undefined),
    ];
    for (const ask of asks) {
      await expect(ask()).rejects.toThrow('status 404 without X-Consul-Index; is this a Consul?');
    }
    expect(fake.requests.map(({ method }) => method)).not.toContain('PUT');
  });

  it('refuses a text that could never be kept for a rollback, and names the limit', async () => {
    const { fake, registry } = await start(() => ({ status: 404, index: 1 }));
    // Twice as long as JSON.
    const writing = registry.store.write('mesh', '"'.repeat(300_000), undefined);
    await expect(writing).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    await expect(writing).rejects.toThrow(
      /key inmesh\/documents\/mesh: not written: .* 524288 \(limits.kv_max_value_size\)/,
    );
    expect(fake.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  it('is asked for the leader, with the data centre', async () => {
    const { fake, registry } = await start(() => ({ status: 404, index: 1 }), '/blue/mesh?dc=dc2&near=_agent');
    expect(await registry.store.list()).toEqual([]);
    expect(fake.requests.map(({ path, query }) => [path, Object.fromEntries(query)])).toEqual([
      ['/v1/kv/blue/mesh/documents/', { recurse: '', dc: 'dc2' }],
    ]);
  });
});
