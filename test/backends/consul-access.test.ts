import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import { systemRandom } from '../../src/core/random.ts';
import { ConsulRegistry } from '../../src/discovery/consul/consul-registry.ts';
import { DocumentRecorder } from '../discovery/document-recorder.ts';
import { EndpointRecorder } from '../discovery/endpoint-recorder.ts';
import { CertificateFolder } from '../tls/certificate-folder.ts';
import { createAuthority } from '../tls/test-authority.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { freePorts, hasServer } from './server-process.ts';

const opened: ConsulRegistry[] = [];
afterEach(async () => {
  for (const registry of opened.splice(0)) await registry.close();
});

function open(address: string): ConsulRegistry {
  const registry = new ConsulRegistry({
    address,
    clock: systemClock,
    random: systemRandom,
    backoffMs: 10,
    maxBackoffMs: 50,
  });
  opened.push(registry);
  return registry;
}

describe.skipIf(!hasServer('consul'))('a Consul that asks for tokens', () => {
  const root = 'b1e2c3d4-0000-4000-8000-00000000beef';
  const asRoot = { 'x-consul-token': root };
  let consul: ConsulServer;
  /** A token that may read services, and nothing else. */
  let reader = '';

  beforeAll(async () => {
    const tokens = `tokens { master = "${root}" agent = "${root}" }`;
    consul = await startConsul(`acl { enabled = true default_policy = "deny" ${tokens} }`);
    const service = { ID: 'w', Name: 'web', Address: '10.0.0.1', Port: 80 };
    // The first requests come before the tokens are there.
    const register = () =>
      consul.send('PUT', '/v1/agent/service/register', service, asRoot).then(
        () => true,
        () => false,
      );
    while (!(await register())) await sleep(20);
    const rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }';
    await consul.send('PUT', '/v1/acl/policy', { Name: 'reader', Rules: rules }, asRoot);
    const made = await consul.send('PUT', '/v1/acl/token', { Policies: [{ Name: 'reader' }] }, asRoot);
    reader = (made as { SecretID: string }).SecretID;
  });
  afterAll(() => consul.dispose());

  it('denies everything to who has none, rather than that there is nothing', async () => {
    const recorder = new EndpointRecorder();
    open(`//${consul.host}`).watchEndpoints('web', recorder.sink);
    await recorder.until('permission denied');
    expect(recorder.told.join()).not.toContain('absent');
    expect(recorder.told[0]).toContain(`consul://${consul.host}: service web: `);
    const documents = new DocumentRecorder();
    open(`//${consul.host}`).watchDocuments(documents.sink);
    await documents.until(() => documents.told.length > 0);
    expect(documents.told[0]).toContain('key inmesh/documents/: permission denied');
  });

  it('says that there is no such service to who may see it', async () => {
    const recorder = new EndpointRecorder();
    open(`//${consul.host}?token=${reader}`).watchEndpoints('nobody', recorder.sink);
    await recorder.until('absent');
    expect(recorder.told).toEqual(['absent']);
  });

  it('keeps what was told when the token loses its rights', async () => {
    const rules = (text: string) => ({ Name: 'fickle', Rules: text });
    const all =
      'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } key_prefix "" { policy = "read" }';
    const { ID } = (await consul.send('PUT', '/v1/acl/policy', rules(all), asRoot)) as { ID: string };
    const made = await consul.send('PUT', '/v1/acl/token', { Policies: [{ ID }] }, asRoot);
    const registry = open(`//${consul.host}?wait=1s&token=${(made as { SecretID: string }).SecretID}`);
    const [endpoints, documents] = [new EndpointRecorder(), new DocumentRecorder()];
    await consul.send('PUT', '/v1/kv/inmesh/documents/mesh', 'services: []', asRoot);
    registry.watchEndpoints('web', endpoints.sink);
    registry.watchDocuments(documents.sink);
    await endpoints.until('10.0.0.1:80');
    await documents.until(() => documents.documents.length === 1);
    await consul.send('PUT', `/v1/acl/policy/${ID}`, { ID, ...rules('key_prefix "zzz" { policy = "read" }') }, asRoot);
    await endpoints.until('permission denied');
    await documents.until(() => documents.told.some((text) => text.includes('permission denied')));
    expect([...endpoints.told, ...documents.told].join()).not.toContain('absent');
    await consul.send('DELETE', '/v1/kv/inmesh/documents/mesh', undefined, asRoot);
  });

  it('shows what is there to who may see it', async () => {
    const recorder = new EndpointRecorder();
    open(`//${consul.host}?token=${reader}`).watchEndpoints('web', recorder.sink);
    await recorder.until('10.0.0.1:80');
  });

  it('denies everything to who has a wrong one, without a word of it', async () => {
    const bogus = 'd00dd00d-0000-4000-8000-00000000dead';
    const registry = open(`//${consul.host}?token=${bogus}`);
    const [endpoints, documents] = [new EndpointRecorder(), new DocumentRecorder()];
    registry.watchEndpoints('web', endpoints.sink);
    registry.watchDocuments(documents.sink);
    await endpoints.until('permission denied');
    await documents.until(() => documents.told.length > 0);
    const messages = [endpoints.told[0] ?? '', documents.told[0] ?? ''];
    const attempts = [
      registry.register('web', makeEndpoint({ host: '10.0.0.2', port: 80 })),
      registry.store.list(),
      registry.store.write('mesh', 'a: b', undefined),
    ];
    messages.push(...(await Promise.all(attempts.map((attempt) => attempt.then(() => 'allowed', String)))));
    for (const message of messages) {
      expect(message).toContain(`consul://${consul.host}: `);
      expect(message).toContain('permission denied');
      expect(message).not.toContain(bogus);
    }
    expect(messages[0]).toContain('service web');
    expect(messages[1]).toContain('key inmesh/documents/');
  });

  it('denies what a token is not for', async () => {
    const registry = open(`//${consul.host}?token=${reader}`);
    await expect(registry.register('web', makeEndpoint({ host: '10.0.0.2', port: 80 }))).rejects.toThrow(
      'instance web-10.0.0.2-80: permission denied',
    );
    const writing = registry.store.write('mesh', 'a: b', undefined);
    await expect(writing).rejects.toMatchObject({ code: 'INMESH_REGISTRY' });
    await expect(writing).rejects.toThrow(/key inmesh\/documents\/mesh: .*[Pp]ermission denied/);
  });

  it('tells what is there as soon as the token is allowed to see it', async () => {
    const late = 'aaaaaaaa-0000-4000-8000-00000000aaaa';
    const recorder = new EndpointRecorder();
    open(`//${consul.host}?token=${late}`).watchEndpoints('web', recorder.sink);
    await recorder.until('permission denied');
    await consul.send('PUT', '/v1/acl/token', { SecretID: late, Policies: [{ Name: 'reader' }] }, asRoot);
    await recorder.until('10.0.0.1:80');
  });
});

describe.skipIf(!hasServer('consul'))('a Consul behind TLS', () => {
  let consul: ConsulServer;
  let folder: CertificateFolder;
  let host = '';

  beforeAll(async () => {
    folder = await CertificateFolder.create();
    const [authority, stranger] = [await createAuthority(), await createAuthority('somebody else')];
    const server = await authority.issue({ dns: ['server.dc1.consul'] });
    const client = await authority.issue({ dns: ['client.dc1.consul'] });
    const files = {
      'ca.pem': authority.cert,
      'wrong-ca.pem': stranger.cert,
      'server.pem': server.cert,
      'server.key': server.key,
    };
    for (const [name, text] of Object.entries({ ...files, 'client.pem': client.cert, 'client.key': client.key })) {
      await folder.write(name, text);
    }
    const [https] = await freePorts(1);
    host = `127.0.0.1:${https}`;
    consul = await startConsul(
      `ports { https = ${https} }`,
      `ca_file = "${folder.file('ca.pem')}"`,
      `cert_file = "${folder.file('server.pem')}"`,
      `key_file = "${folder.file('server.key')}"`,
      'verify_incoming_https = true',
    );
    await consul.send('PUT', '/v1/agent/service/register', { Name: 'web', Address: '10.0.0.1', Port: 80 });
  });
  afterAll(async () => {
    await consul.dispose();
    await folder.remove();
  });

  function watch(query: string): EndpointRecorder {
    const recorder = new EndpointRecorder();
    open(`//${host}?${query}`).watchEndpoints('web', recorder.sink);
    return recorder;
  }

  const mutual = () => `tls=true&cert=${folder.file('client.pem')}&key=${folder.file('client.key')}`;

  it('is asked by who has a certificate and trusts its own', async () => {
    const recorder = watch(`${mutual()}&ca=${folder.file('ca.pem')}&serverName=server.dc1.consul`);
    await recorder.until('10.0.0.1:80');
    expect(recorder.told).toEqual(['10.0.0.1:80']);
  });

  it.each([
    [
      'another authority',
      () => `${mutual()}&ca=${folder.file('wrong-ca.pem')}&serverName=server.dc1.consul`,
      'certificate',
    ],
    ['another name', () => `${mutual()}&ca=${folder.file('ca.pem')}&serverName=other.dc1.consul`, 'other.dc1.consul'],
    ['no certificate', () => `tls=true&ca=${folder.file('ca.pem')}&serverName=server.dc1.consul`, ''],
    ['a file that is not there', () => `tls=true&ca=${folder.file('none.pem')}`, 'none.pem: ENOENT'],
    ['no TLS', () => 'tls=false', 'status 400'],
  ])('is not believed, or does not answer, with %s', async (_, query, message) => {
    const recorder = watch(query());
    await recorder.until(message === '' ? host : message);
    expect(recorder.told[0]).toContain(`consul://${host}: `);
    expect(recorder.told.join()).not.toContain('10.0.0.1');
  });
});
