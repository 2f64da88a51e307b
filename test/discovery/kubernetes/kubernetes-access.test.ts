import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { isMeshError } from '../../../src/core/errors.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { kubeconfigAccess } from '../../../src/discovery/kubernetes/kubeconfig.ts';
import { podAccess, tokenOf } from '../../../src/discovery/kubernetes/kubernetes-access.ts';
import { openKubernetes } from '../../../src/discovery/kubernetes/open-kubernetes.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const pemData = Buffer.from(pem).toString('base64');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-kubernetes-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Writes a file, and gives its path. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A kubeconfig with one context, of this cluster and this user. */
function kubeconfig(cluster: object, user: object = {}, more: object = {}): string {
  const config = {
    'current-context': 'main',
    contexts: [
      { name: 'main', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
      { name: 'other', context: { cluster: 'd', user: 'u' } },
    ],
    clusters: [
      { name: 'c', cluster },
      { name: 'd', cluster: { server: 'http://127.0.0.1:8001' } },
    ],
    users: [{ name: 'u', user }],
    ...more,
  };
  return file('config', JSON.stringify(config));
}

const server = 'https://10.0.0.1:6443';

describe('podAccess', () => {
  it('is that of the service account, whose token is read each time', async () => {
    file('namespace', 'shop\n');
    file('token', 'one\n');
    const environment = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' };
    const access = podAccess(environment, folder);
    expect(access).toMatchObject({
      host: '10.0.0.1:6443',
      pathPrefix: '',
      tls: { ca: join(folder, 'ca.crt') },
      namespace: 'shop',
    });
    expect(await access?.token?.()).toBe('one');
    file('token', 'two');
    expect(await access?.token?.()).toBe('two');
  });

  it('puts an IPv6 address into brackets, and knows the port', () => {
    file('namespace', 'shop');
    expect(podAccess({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, folder)?.host).toBe('[fd00::1]:443');
  });

  it('is none outside of a pod', () => {
    expect(podAccess({}, folder)).toBeUndefined();
    expect(podAccess({ KUBERNETES_SERVICE_HOST: '' }, folder)).toBeUndefined();
  });

  it('says that no service account is mounted', () => {
    expect(() => podAccess({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, folder)).toThrow('no service account is mounted');
  });
});

describe('tokenOf', () => {
  it.each(['', ' \n', 'a b', 'a\nb', 'ü'])('refuses a file that holds %j, and does not repeat it', async (text) => {
    const error = await tokenOf(file('token', text))().catch((thrown: Error) => thrown);
    expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
    expect((error as Error).message).toBe(`token ${join(folder, 'token')}: holds no token`);
  });

  it('names a file that is not there', async () => {
    await expect(tokenOf('/nowhere/token')()).rejects.toThrow('token /nowhere/token: ENOENT');
  });
});

describe('kubeconfigAccess', () => {
  it('reads certificates that are in the file', async () => {
    const cluster = { server, 'certificate-authority-data': pemData, 'tls-server-name': 'kubernetes' };
    const user = { 'client-certificate-data': pemData, 'client-key-data': pemData };
    expect(kubeconfigAccess(kubeconfig(cluster, user), undefined)).toEqual({
      host: '10.0.0.1:6443',
      pathPrefix: '',
      tls: { ca: pem, cert: pem, key: pem, serverName: 'kubernetes' },
      token: undefined,
      namespace: 'shop',
    });
  });

  it('leaves files where they are, relative to its own folder', async () => {
    file('token', 'one');
    const cluster = { server: `${server}/k8s/c-1/`, 'certificate-authority': 'ca.crt' };
    const user = { 'client-certificate': 'a.crt', 'client-key': '/b.key', tokenFile: 'token', token: 'written' };
    const access = kubeconfigAccess(kubeconfig(cluster, user), undefined);
    expect(access.tls).toEqual({
      ca: join(folder, 'ca.crt'),
      cert: join(folder, 'a.crt'),
      key: '/b.key',
      serverName: undefined,
    });
    expect(access.pathPrefix).toBe('/k8s/c-1');
    expect(await access.token?.()).toBe('one');
  });

  it('takes the context that is named, a token, and cleartext', async () => {
    const access = kubeconfigAccess(kubeconfig({ server }, { token: 'written' }), 'other');
    expect(access).toMatchObject({ host: '127.0.0.1:8001', tls: undefined, namespace: 'default' });
    expect(await access.token?.()).toBe('written');
  });

  it('reads YAML as kubectl writes it', () => {
    const path = file(
      'config',
      `apiVersion: v1
kind: Config
preferences: {}
current-context: kind
contexts:
- name: kind
  context: { cluster: kind }
clusters:
- name: kind
  cluster:
    server: https://[::1]:6443
    insecure-skip-tls-verify: false
`,
    );
    expect(kubeconfigAccess(path, undefined)).toMatchObject({ host: '[::1]:6443', namespace: 'default' });
  });

  it.each([
    [{ server }, { exec: { command: 'aws' } }, 'user u uses exec, which is not supported; allowed: token, tokenFile'],
    [{ server }, { 'auth-provider': { name: 'gcp' } }, 'user u uses auth-provider'],
    [{ server }, { username: 'admin', password: 'secret' }, 'user u uses username'],
    [{ server }, { token: 'secret', as: 'admin' }, 'user u uses as,'],
    [{ server, 'insecure-skip-tls-verify': true }, {}, 'cluster c uses insecure-skip-tls-verify'],
    [{ server, 'proxy-url': 'http://user:secret@proxy' }, {}, 'cluster c uses proxy-url'],
    [{ server: 'https://user:secret@host' }, {}, 'a server that is no URL'],
    [{ server: 'ftp://host' }, {}, 'a server that is no URL'],
    [{}, {}, 'a server that is no URL'],
    [{ server: 7 }, {}, 'a server that is no text'],
    [{ server }, { token: { secret: 1 } }, 'a token that is no text'],
    [{ server }, { 'client-key-data': 'secret' }, 'a client-key-data that is no PEM in base64'],
    [{ server }, { 'client-key-data': pemData }, 'one of client-certificate and client-key'],
  ])('refuses a cluster %j with a user %j', (cluster, user, message) => {
    const path = kubeconfig(cluster, user);
    let error: unknown;
    try {
      kubeconfigAccess(path, undefined);
    } catch (thrown) {
      error = thrown;
    }
    expect(isMeshError(error, 'INMESH_OPTION')).toBe(true);
    expect(String(error)).toContain(`${path} `);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain('secret');
  });

  it.each([
    ['token: "secret', 'is no YAML: '],
    ['a: b: secret\n', 'is no YAML: '],
    ['a: &a [*b]', 'is no YAML'],
    ['', 'is no kubeconfig'],
    ['[secret]', 'is no kubeconfig'],
    ['{}', 'has no current-context'],
    ['{"current-context": "x", "contexts": 7}', 'has no context x; it has: none'],
    ['{"current-context": "x", "contexts": [{"name":"y","context":{}}, 7]}', 'has no context x; it has: y'],
    ['{"current-context": "x", "contexts": [{"name":"x","context":{}}]}', 'has no cluster undefined'],
  ])('says what is wrong with %j, and does not repeat it', (text, message) => {
    const path = file('config', text);
    let error: unknown;
    try {
      kubeconfigAccess(path, undefined);
    } catch (thrown) {
      error = thrown;
    }
    expect(isMeshError(error, 'INMESH_OPTION')).toBe(true);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain('secret');
  });
});

describe('openKubernetes', () => {
  const parts = { clock: systemClock, random: systemRandom };

  it('takes the kubeconfig of the address, of the environment, and of its context', () => {
    const path = kubeconfig({ server });
    expect(openKubernetes(`?kubeconfig=${path}&context=other&namespace=prod`, parts, {}).name).toBe(
      'kubernetes://127.0.0.1:8001/prod?context=other',
    );
    expect(openKubernetes('', parts, { KUBECONFIG: path }).name).toBe('kubernetes://10.0.0.1:6443/shop');
    // A context is one of a kubeconfig, also within a pod.
    const environment = { KUBECONFIG: path, KUBERNETES_SERVICE_HOST: '10.0.0.9' };
    expect(openKubernetes('?context=other', parts, environment).name).toBe(
      'kubernetes://127.0.0.1:8001/default?context=other',
    );
  });

  it('takes the service account in a pod', () => {
    const environment = { KUBECONFIG: kubeconfig({ server }), KUBERNETES_SERVICE_HOST: '10.0.0.9' };
    // There is none here.
    expect(() => openKubernetes('', parts, environment)).toThrow('no service account is mounted');
  });

  it.each([
    ['//10.0.0.1', 'not an address of kubernetes:'],
    ['?portname=x', 'unknown parameter portname; allowed: kubeconfig, context, namespace, portName, selector'],
    ['?namespace=a/b', 'namespace a/b is no name of one'],
    ['?kubeconfig=/nowhere', '/nowhere cannot be read'],
  ])('refuses %j', (rest, message) => {
    expect(() => openKubernetes(rest, parts, {})).toThrow(message);
  });

  it('refuses several kubeconfigs', () => {
    expect(() => openKubernetes('', parts, { KUBECONFIG: '/a:/b' })).toThrow('KUBECONFIG names several files');
  });
});
