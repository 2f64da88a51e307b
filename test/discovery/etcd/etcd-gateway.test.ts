import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import { isMeshError } from '../../../src/core/errors.ts';
import { EtcdClient } from '../../../src/discovery/etcd/etcd-client.ts';
import { refusalCode } from '../../../src/discovery/etcd/etcd-errors.ts';
import { EtcdGateway, type EtcdRequest } from '../../../src/discovery/etcd/etcd-gateway.ts';
import { toBase64 } from '../../../src/discovery/etcd/etcd-wire.ts';
import { LoopTurns } from '../../../src/discovery/loop-turns.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { type FakeEtcdGateway, type GatewayAnswer, reply, startFakeEtcdGateway } from './fake-etcd-gateway.ts';

/** A reply of etcd. */
const ok = { header: { revision: '7' } };

const members: FakeEtcdGateway[] = [];
let gateway: EtcdGateway | undefined;

afterEach(async () => {
  await gateway?.close();
  await Promise.all(members.splice(0).map((member) => member.dispose()));
});

async function start(answer: GatewayAnswer): Promise<FakeEtcdGateway> {
  const member = await startFakeEtcdGateway(answer);
  members.push(member);
  return member;
}

function open(hosts: readonly string[], user?: string, clock: Clock = systemClock): EtcdGateway {
  gateway = new EtcdGateway({ name: 'etcd://a', hosts, user, password: user && 's3cret', clock });
  return gateway;
}

function post(request: Partial<EtcdRequest> = {}): Promise<unknown> {
  return (gateway as EtcdGateway).post('/v3/kv/range', {}, { what: 'inmesh/x', ...request });
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error) => error,
  );
}

/** A member that forgets its tokens when `forget` is called. */
async function startForgetful() {
  let given = 0;
  let valid = '';
  const member = await start(({ path, headers }, response) => {
    if (path === '/v3/auth/authenticate') {
      valid = `token-${++given}`;
      reply(response, 200, { token: valid });
    } else if (headers.authorization === valid) reply(response, 200, ok);
    else reply(response, 401, { code: 16, message: 'etcdserver: invalid auth token' });
  });
  const forget = () => {
    valid = 'forgotten';
  };
  return { member, forget, asked: () => given };
}

describe('EtcdGateway', () => {
  it('gets one token for all who need it, and another one when it is forgotten', async () => {
    const { member, forget, asked } = await startForgetful();
    open([member.host], 'web');
    await Promise.all([post(), post(), post()]);
    expect(asked()).toBe(1);
    forget();
    expect(await Promise.all([post(), post(), post()])).toEqual([ok, ok, ok]);
    expect(asked()).toBeLessThanOrEqual(4);
    const { length } = member.requests;
    await post();
    expect(member.requests).toHaveLength(length + 1);
  });

  it('asks for another token once only', async () => {
    const member = await start(({ path }, response) =>
      path === '/v3/auth/authenticate'
        ? reply(response, 200, { token: 'refused' })
        : reply(response, 401, { code: 16, message: 'etcdserver: invalid auth token' }),
    );
    open([member.host], 'web');
    const error = await failureOf(post());
    expect(error.message).toBe('etcd://a: inmesh/x: invalid auth token');
    expect(member.requests.map(({ path }) => path)).toEqual([
      '/v3/auth/authenticate',
      '/v3/kv/range',
      '/v3/auth/authenticate',
      '/v3/kv/range',
    ]);
  });

  it('asks without a token where authentication is not enabled', async () => {
    const member = await start(({ path, headers }, response) =>
      path === '/v3/auth/authenticate'
        ? reply(response, 412, { code: 9, message: 'etcdserver: authentication is not enabled' })
        : reply(response, 200, { ...ok, token: headers.authorization ?? null }),
    );
    open([member.host], 'web');
    expect(await post()).toEqual({ ...ok, token: null });
  });

  it('tries a wrong password once in a second, whoever asks', async () => {
    let wrong = true;
    const member = await start(({ path }, response) => {
      if (path !== '/v3/auth/authenticate') reply(response, 200, ok);
      else if (wrong) reply(response, 400, { code: 3, message: 'etcdserver: authentication failed' });
      else reply(response, 200, { token: 't' });
    });
    let now = 0;
    open([member.host], 'web', { ...systemClock, now: () => now });
    for (const error of [await failureOf(post()), await failureOf(post())]) {
      expect(error.message).toBe('etcd://a: inmesh/x: user web: authentication failed');
      expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
    }
    expect(member.requests).toHaveLength(1);
    expect(member.requests[0]?.body).toBe('{"name":"web","password":"s3cret"}');
    wrong = false;
    now = 1_000;
    expect(await post()).toEqual(ok);
  });

  it.each([
    ['<html>', 'no token in the reply'],
    ['{"token":"s3cret', 'no token in the reply'],
  ])('names no part of %j in place of a token', async (text, message) => {
    const member = await start((_, response) => reply(response, 200, text));
    open([member.host], 'web');
    const error = await failureOf(post());
    expect(error.message).toBe(`etcd://a: inmesh/x: user web: ${message}`);
    expect(`${error.stack}`).not.toContain('s3cret');
  });

  it.each(['null', '7', '<html>', '', '{}', '[]', '{"header":{}}', '{"header":{"revision":"x"}}'])(
    'refuses the reply %j',
    async (text) => {
      const member = await start((_, response) => reply(response, 200, text));
      open([member.host]);
      expect((await failureOf(post())).message).toBe('etcd://a: inmesh/x: the reply is not one of etcd');
    },
  );

  it('asks another member after one that has no leader, and sends nothing twice', async () => {
    const leaderless = await start((_, response) =>
      reply(response, 503, { code: 14, message: 'etcdserver: no leader' }),
    );
    const sound = await start((_, response) => reply(response, 200, ok));
    open([leaderless.host, sound.host]);
    const error = await failureOf(post());
    expect([error.message, refusalCode(error)]).toEqual(['etcd://a: inmesh/x: no leader', 14]);
    expect(await post()).toEqual(ok);
    expect([leaderless.requests.length, sound.requests.length]).toEqual([1, 1]);
  });

  it('asks another member after something that is not etcd', async () => {
    const stub = await start((_, response) => reply(response, 200, {}));
    const sound = await start((_, response) => reply(response, 200, ok));
    open([stub.host, sound.host]);
    await failureOf(post());
    expect(await post()).toEqual(ok);
  });

  it('asks another member at once for what may be asked twice', async () => {
    const silent = await start(() => {});
    const leaderless = await start((_, response) => reply(response, 503, { code: 14, message: 'no leader' }));
    const sound = await start((_, response) => reply(response, 200, ok));
    open([silent.host, leaderless.host, sound.host]);
    expect(await post({ isRepeatable: true, timeoutMs: 500 })).toEqual(ok);
    expect(await post()).toEqual(ok);
    expect([silent, leaderless, sound].map(({ requests }) => requests.length)).toEqual([1, 1, 2]);
  });

  it('asks no other member for what may not be asked twice', async () => {
    const silent = await start(() => {});
    const sound = await start((_, response) => reply(response, 200, ok));
    open([silent.host, sound.host]);
    expect((await failureOf(post({ timeoutMs: 50 }))).message).toContain('no answer within');
    expect(sound.requests).toEqual([]);
  });

  it('asks each member once, and not beyond the time of the request', async () => {
    const silent = await Promise.all([start(() => {}), start(() => {}), start(() => {})]);
    open(silent.map(({ host }) => host));
    expect((await failureOf(post({ isRepeatable: true, timeoutMs: 200 }))).message).toContain('no answer within');
    expect(silent.map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
  });

  it('gets its token from another member than one that cannot give any', async () => {
    const leaderless = await start((_, response) => reply(response, 503, { code: 14, message: 'no leader' }));
    const sound = await start(({ path }, response) =>
      reply(response, 200, path === '/v3/auth/authenticate' ? { token: 't' } : ok),
    );
    open([leaderless.host, sound.host], 'web');
    expect(await post()).toEqual(ok);
    expect(leaderless.requests).toHaveLength(1);
  });

  it('does not take it for a wrong password that a member has no leader', async () => {
    let isLeaderless = true;
    const member = await start(({ path }, response) => {
      if (isLeaderless) reply(response, 503, { code: 14, message: 'etcdserver: no leader' });
      else reply(response, 200, path === '/v3/auth/authenticate' ? { token: 't' } : ok);
    });
    open([member.host], 'web', new VirtualClock());
    expect((await failureOf(post())).message).toBe('etcd://a: inmesh/x: user web: no leader');
    isLeaderless = false;
    expect(await post()).toEqual(ok);
  });

  it('waits for a token no longer than the request may take, and no longer than its owner', async () => {
    const clock = new VirtualClock();
    const member = await start(() => {});
    open([member.host], 'web', clock);
    const controller = new AbortController();
    const late = failureOf(post({ timeoutMs: 300 }));
    const left = failureOf(post({ signal: controller.signal }));
    await clock.advance(300);
    expect((await late).message).toBe('etcd://a: inmesh/x: user web: no answer in time');
    const reason = new Error('given up');
    controller.abort(reason);
    expect(await left).toBe(reason);
    expect(await failureOf(post({ signal: controller.signal }))).toBe(reason);
  });

  it('keeps the process alive while a request in the foreground waits for a token', async () => {
    const clock = new VirtualClock();
    const answers: (() => void)[] = [];
    const member = await start(({ path }, response) => {
      if (path === '/v3/auth/authenticate') answers.push(() => reply(response, 200, { token: 't' }));
      else reply(response, 200, ok);
    });
    open([member.host], 'web', clock);
    const inBackground = post({ background: true });
    await vi.waitUntil(() => answers.length === 1);
    expect(clock.pendingTimers - clock.pendingBackgroundTimers).toBe(0);
    const inForeground = post();
    expect(clock.pendingTimers - clock.pendingBackgroundTimers).toBe(1);
    answers[0]?.();
    await Promise.all([inBackground, inForeground]);
    expect([answers.length, clock.pendingTimers]).toEqual([1, 0]);
  });

  it('asks for a stream that ends with the leader, and reads why it is refused', async () => {
    const member = await start((_, response) => reply(response, 403, { code: 7, message: 'etcdserver: denied' }));
    open([member.host]);
    const error = await failureOf((gateway as EtcdGateway).stream('/v3/watch', '{}', { what: 'watch' }));
    expect(error.message).toBe('etcd://a: watch: denied');
    expect(member.requests[0]?.headers['grpc-metadata-hasleader']).toBe('true');
  });

  it('rejects with the reason of who gives up', async () => {
    const member = await start(() => {});
    open([member.host]);
    const controller = new AbortController();
    const asked = (gateway as EtcdGateway).post('/v3/kv/range', {}, { what: 'x', signal: controller.signal });
    const reason = new Error('given up');
    controller.abort(reason);
    expect(await failureOf(asked)).toBe(reason);
  });
});

describe('EtcdClient', () => {
  it('reads all pages at the revision of the first', async () => {
    const pages = [
      { header: { revision: '7' }, kvs: [{ key: toBase64('a/1'), mod_revision: '3' }], more: true },
      { header: { revision: '9' }, kvs: [{ key: toBase64('a/2'), value: toBase64('x'), mod_revision: '4' }] },
    ];
    const member = await start((_, response) => reply(response, 200, pages[member.requests.length - 1]));
    const client = new EtcdClient(open([member.host]));
    expect(await client.keys('a/', new LoopTurns(systemClock), {})).toEqual({
      keys: [
        { key: 'a/1', value: '', revision: 3 },
        { key: 'a/2', value: 'x', revision: 4 },
      ],
      revision: 7,
    });
    expect(member.requests.map(({ body }) => JSON.parse(body))).toEqual([
      { key: toBase64('a/'), range_end: toBase64('a0'), limit: 1_000 },
      { key: toBase64('a/1\0'), range_end: toBase64('a0'), limit: 1_000, revision: '7' },
    ]);
  });

  it('reads on after the bytes of the last key, though they are no text', async () => {
    const key = Buffer.from('a/\xff', 'latin1').toString('base64');
    const pages = [{ ...ok, kvs: [{ key, mod_revision: '3' }], more: true }, ok];
    const member = await start((_, response) => reply(response, 200, pages[member.requests.length - 1]));
    await new EtcdClient(open([member.host])).keys('a/', new LoopTurns(systemClock), {});
    const { key: next } = JSON.parse(member.requests[1]?.body ?? '');
    expect(Buffer.from(next, 'base64').toString('latin1')).toBe('a/\xff\0');
  });

  it.each([{ kvs: 5 }, { kvs: [null] }, { kvs: [{}] }, { kvs: [{ key: 'AA==', value: 5 }] }])(
    'names the prefix when keys are %j',
    async (nonsense) => {
      const member = await start((_, response) => reply(response, 200, { ...ok, ...nonsense }));
      const error = await failureOf(new EtcdClient(open([member.host])).keys('a/', new LoopTurns(systemClock), {}));
      expect(error.message).toBe('etcd://a: a/: the reply is not one of etcd');
      expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
    },
  );

  it('does not read a prefix without end', async () => {
    const kvs = Array.from({ length: 10_000 }, (_, at) => ({ key: toBase64(`a/${at}`), mod_revision: '5' }));
    const member = await start((_, response) => reply(response, 200, { ...ok, kvs, more: true }));
    const client = new EtcdClient(open([member.host]));
    const error = await failureOf(client.keys('a/', new LoopTurns(systemClock), {}));
    expect(error.message).toBe('etcd://a: a/: more than 100000 keys');
  });

  it('takes it for an answer that a key may not be read', async () => {
    const member = await start((_, response) => reply(response, 403, { code: 7, message: 'etcdserver: denied' }));
    const client = new EtcdClient(open([member.host]));
    expect(await client.position('a/', {})).toEqual({
      host: member.host,
      revision: undefined,
      cluster: undefined,
      term: undefined,
    });
  });

  it('knows that a lease has ended', async () => {
    const member = await start(({ path }, response) =>
      path === '/v3/lease/keepalive'
        ? reply(response, 200, { result: { ID: '1' } })
        : reply(response, 404, { code: 5, message: 'etcdserver: requested lease not found' }),
    );
    const client = new EtcdClient(open([member.host]));
    expect(await client.renewLease('1', { what: 'x' })).toBe(false);
    await client.revokeLease('1', { what: 'x' });
    const error = await failureOf(client.put('x', 'y', '1', {}));
    expect([error.message, refusalCode(error)]).toEqual(['etcd://a: x: requested lease not found', 5]);
  });
});
