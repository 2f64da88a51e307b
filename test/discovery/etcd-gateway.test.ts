import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { EtcdClient } from '../../src/discovery/etcd-client.ts';
import { refusalCode } from '../../src/discovery/etcd-errors.ts';
import { EtcdGateway } from '../../src/discovery/etcd-gateway.ts';
import { toBase64 } from '../../src/discovery/etcd-wire.ts';
import { LoopTurns } from '../../src/discovery/loop-turns.ts';
import { type FakeEtcdGateway, type GatewayAnswer, reply, startFakeEtcdGateway } from './fake-etcd-gateway.ts';

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

function post(): Promise<unknown> {
  return (gateway as EtcdGateway).post('/v3/kv/range', {}, { what: 'inmesh/x' });
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
    } else if (headers.authorization === valid) reply(response, 200, { ok: true });
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
    expect(await Promise.all([post(), post(), post()])).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
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
        : reply(response, 200, { token: headers.authorization ?? null }),
    );
    open([member.host], 'web');
    expect(await post()).toEqual({ token: null });
  });

  it('tries a wrong password once in a second, whoever asks', async () => {
    let wrong = true;
    const member = await start(({ path }, response) => {
      if (path !== '/v3/auth/authenticate') reply(response, 200, { ok: true });
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
    expect(await post()).toEqual({ ok: true });
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

  it.each(['null', '7', '<html>', ''])('refuses the reply %j', async (text) => {
    const member = await start((_, response) => reply(response, 200, text));
    open([member.host]);
    expect((await failureOf(post())).message).toMatch(/^etcd:\/\/a: inmesh\/x: /);
  });

  it('asks another member after one that has no leader, and sends nothing twice', async () => {
    const leaderless = await start((_, response) =>
      reply(response, 503, { code: 14, message: 'etcdserver: no leader' }),
    );
    const sound = await start((_, response) => reply(response, 200, { ok: true }));
    open([leaderless.host, sound.host]);
    const error = await failureOf(post());
    expect([error.message, refusalCode(error)]).toEqual(['etcd://a: inmesh/x: no leader', 14]);
    expect(await post()).toEqual({ ok: true });
    expect([leaderless.requests.length, sound.requests.length]).toEqual([1, 1]);
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

  it('does not read a prefix without end', async () => {
    const kvs = Array.from({ length: 10_000 }, (_, at) => ({ key: toBase64(`a/${at}`) }));
    const member = await start((_, response) => reply(response, 200, { header: {}, kvs, more: true }));
    const client = new EtcdClient(open([member.host]));
    const error = await failureOf(client.keys('a/', new LoopTurns(systemClock), {}));
    expect(error.message).toBe('etcd://a: a/: more than 100000 keys');
  });

  it('takes it for an answer that a key may not be read', async () => {
    const member = await start((_, response) => reply(response, 403, { code: 7, message: 'etcdserver: denied' }));
    const client = new EtcdClient(open([member.host]));
    expect(await client.position('a/', {})).toEqual({ host: member.host, revision: undefined, cluster: undefined });
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
