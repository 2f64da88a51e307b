import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { isMeshError } from '../../src/core/errors.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EtcdRegistry } from '../../src/discovery/etcd/etcd-registry.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { createAuthority } from '../tls/test-authority.ts';
import { base64 } from './etcd-keys.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';
import { freePorts, hasServer, ServerProcess } from './server-process.ts';

const secret = 's3cret-password';
const endpoint = makeEndpoint({ host: '10.0.0.1', port: 80 });

let registry: EtcdRegistry | undefined;

afterEach(async () => {
  await registry?.close();
  registry = undefined;
});

function open(address: string): EtcdRegistry {
  registry = new EtcdRegistry({ address, clock: systemClock, random: systemRandom });
  return registry;
}

function watch(service: string): EndpointRecorder {
  const recorder = new EndpointRecorder();
  registry?.watchEndpoints(service, recorder.sink);
  return recorder;
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );
}

describe.skipIf(!hasServer('etcd'))('a real etcd that asks who it is', () => {
  let etcd: EtcdCluster;
  beforeAll(async () => {
    etcd = await startEtcd();
    const range = { key: base64('inmesh/endpoints/reviews/'), range_end: base64('inmesh/endpoints/reviews0') };
    for (const [path, body] of [
      ['user/add', { name: 'root', password: 'root' }],
      ['user/add', { name: 'web', password: secret }],
      ['role/add', { name: 'root' }],
      ['role/add', { name: 'web' }],
      ['user/grant', { user: 'root', role: 'root' }],
      ['role/grant', { name: 'web', perm: { permType: 'READWRITE', ...range } }],
      ['user/grant', { user: 'web', role: 'web' }],
      ['enable', {}],
    ] as const) {
      await etcd.send(`/v3/auth/${path}`, body);
    }
  });
  afterAll(() => etcd.dispose());

  /** With the rights of root. */
  async function send(path: string, body: object): Promise<void> {
    const { token } = await etcd.send('/v3/auth/authenticate', { name: 'root', password: 'root' });
    const headers = { authorization: token as string };
    const response = await fetch(`http://${etcd.hosts[0]}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
  }

  function openAs(user: string, password: string): EtcdRegistry {
    return open(`//${user}:${password}@${etcd.hosts[0]}`);
  }

  it('is watched and written by a user with the role for it', async () => {
    const registration = await openAs('web', secret).register('reviews', endpoint);
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80');
    await registration.deregister();
    await recorder.until('absent');
    expect(recorder.told.join()).not.toContain(secret);
  });

  it('goes on with another token when the member has forgotten the first', async () => {
    const registration = await openAs('web', secret).register('reviews', endpoint);
    const recorder = watch('reviews');
    await recorder.until('10.0.0.1:80');
    // Tokens are in the memory of the member only.
    await etcd.processes[0]?.kill();
    await etcd.processes[0]?.start();
    await send('/v3/kv/put', { key: base64('inmesh/endpoints/reviews/10.0.0.2:80') });
    await recorder.until('10.0.0.1:80,10.0.0.2:80');
    await registration.deregister();
    await recorder.until('10.0.0.2:80');
  });

  it('lets no process exit in the middle of a registration, though a watch asked for the token first', async () => {
    const source = (name: string) => fileURLToPath(new URL(`../../src/${name}.ts`, import.meta.url));
    const script = `
      import { EtcdRegistry } from '${source('discovery/etcd/etcd-registry')}';
      import { makeEndpoint } from '${source('core/endpoint')}';
      import { systemClock } from '${source('core/clock')}';
      import { systemRandom } from '${source('core/random')}';
      const address = '//web:${secret}@${etcd.hosts[0]}';
      const registry = new EtcdRegistry({ address, clock: systemClock, random: systemRandom });
      registry.watchEndpoints('reviews', { set() {}, absent() {}, failed() {} });
      await null;
      const endpoint = makeEndpoint({ host: '10.0.0.1', port: 80 });
      const registration = await registry.register('reviews', endpoint);
      await registration.deregister();
      console.log('done');
    `;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    expect((await run).stdout).toBe('done\n');
  });

  it('refuses a wrong password, which no message names', async () => {
    const error = await failureOf(openAs('web', `${secret}-wrong`).register('reviews', endpoint));
    expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
    expect(error.message).toBe(
      `etcd://${etcd.hosts[0]}/inmesh: inmesh/endpoints/reviews/10.0.0.1:80: user web: ` +
        'authentication failed, invalid user ID or password',
    );
    const recorder = watch('reviews');
    await recorder.until('user web: authentication failed');
    expect(`${recorder.told}${JSON.stringify(error)}${error.stack}`).not.toContain(secret);
  });

  it('refuses who does not say who it is', async () => {
    open(`//${etcd.hosts[0]}`);
    await watch('reviews').until('inmesh/endpoints/reviews/: user name is empty');
  });

  it('names the key that a user may not read or write', async () => {
    openAs('web', secret);
    await watch('ratings').until(': inmesh/endpoints/ratings/: permission denied');
    const error = await failureOf((registry as EtcdRegistry).register('ratings', endpoint));
    expect(error.message).toContain(': inmesh/endpoints/ratings/10.0.0.1:80: permission denied');
    const store = (registry as EtcdRegistry).store;
    const refused = await failureOf(store.write('mesh', '{}', undefined));
    expect(refused.message).toContain(': inmesh/documents/mesh: permission denied');
  });

  it('watches what a user may read although it is beside what he may not', async () => {
    openAs('web', secret);
    const denied = watch('ratings');
    await denied.until('permission denied');
    await send('/v3/kv/put', { key: base64('inmesh/endpoints/reviews/10.0.0.3:80') });
    const recorder = watch('reviews');
    await recorder.until('10.0.0.3:80');
    await send('/v3/kv/deleterange', { key: base64('inmesh/endpoints/reviews/10.0.0.3:80') });
    await recorder.until('10.0.0.2:80');
  });
});

describe.skipIf(!hasServer('etcd'))('a real etcd with TLS', () => {
  let folder: string;
  let host: string;
  let server: ServerProcess;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'inmesh-etcd-tls-'));
    const [authority, other] = [await createAuthority(), await createAuthority('other authority')];
    const leaf = await authority.issue({ ips: ['127.0.0.1'], dns: ['etcd.test'] });
    const client = await authority.issue({ dns: ['client.test'] });
    for (const [name, text] of [
      ['ca.pem', authority.cert],
      ['other.pem', other.cert],
      ['cert.pem', leaf.cert],
      ['key.pem', leaf.key],
      ['client.pem', client.cert],
      ['client-key.pem', client.key],
    ] as const) {
      await writeFile(path(name), text);
    }
    const [port, peer] = await freePorts(2);
    host = `127.0.0.1:${port}`;
    server = new ServerProcess({
      name: 'etcd',
      args: [
        `--data-dir=${path('data')}`,
        `--listen-client-urls=https://${host}`,
        `--advertise-client-urls=https://${host}`,
        `--listen-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-cluster=default=http://127.0.0.1:${peer}`,
        `--cert-file=${path('cert.pem')}`,
        `--key-file=${path('key.pem')}`,
        `--trusted-ca-file=${path('ca.pem')}`,
        '--client-cert-auth',
      ],
      isReady: () => isListening(address()),
    });
    await server.start();
  });
  afterAll(async () => {
    await server.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  function address(ca = 'ca.pem'): string {
    return `//${host}?tls=true&ca=${path(ca)}&cert=${path('client.pem')}&key=${path('client-key.pem')}`;
  }

  it('is watched, written and left', async () => {
    const registration = await open(address()).register('reviews', endpoint);
    const recorders = ['reviews', 'ratings', 'details'].map(watch);
    await recorders[0]?.until('10.0.0.1:80');
    for (const recorder of recorders.slice(1)) await recorder.until('absent');
    await registration.deregister();
    await recorders[0]?.until('absent');
  });

  it('is not trusted with an authority that did not sign its certificate', async () => {
    open(address('other.pem'));
    const recorder = watch('reviews');
    await recorder.until(`etcd://${host}/inmesh: inmesh/endpoints/reviews/: `);
    expect(recorder.last).toMatch(/certificate/);
    expect(recorder.told.join()).not.toContain('BEGIN');
  });

  it('is not trusted under another name', async () => {
    open(`${address()}&serverName=elsewhere.test`);
    await watch('reviews').until('elsewhere.test');
    await registry?.close();
    open(`${address()}&serverName=etcd.test`);
    await watch('reviews').until('absent');
  });
});

/** By the driver itself: no other client at hand has the certificate. */
async function isListening(address: string): Promise<boolean> {
  const probe = new EtcdRegistry({ address, clock: systemClock, random: systemRandom });
  try {
    await probe.store.list();
    return true;
  } finally {
    await probe.close();
  }
}
