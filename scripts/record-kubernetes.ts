/**
 * What does a real API server of Kubernetes send? This records it, raw, for the tests that replay it: lists in pages,
 * watches with bookmarks, and refusals, while it creates, changes and deletes EndpointSlices and ConfigMaps in a
 * namespace of its own, which it deletes at the end. Files are named after what was asked and the status of the answer.
 *
 *   node scripts/record-kubernetes.ts https://127.0.0.1:6443 "$TOKEN" test/backends/kubernetes/recorded
 *
 * A certificate of the server that the machine does not trust goes into NODE_EXTRA_CA_CERTS.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [server, token, folder] = process.argv.slice(2);
if (server === undefined || token === undefined || folder === undefined) {
  process.stderr.write('usage: node scripts/record-kubernetes.ts <url> <token> <folder>\n');
  process.exit(2);
}
const namespace = `inmesh-recording-${process.pid}`;
const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;

/** Servers send a bookmark some 2 s before the end of a watch. */
const watchSeconds = 10;

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(method: string, path: string, body?: unknown, as: string | undefined = token): Promise<Answer> {
  const response = await fetch(`${server}${path}`, {
    method,
    headers: {
      ...(as === undefined ? undefined : { authorization: `Bearer ${as}` }),
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    },
    ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** Asks for a change that must succeed. */
async function change(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await ask(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer;
}

function record(name: string, { status, text }: Answer): void {
  const path = join(folder as string, `${name}.${status}.ndjson`);
  writeFileSync(path, text.endsWith('\n') ? text : `${text}\n`);
  process.stdout.write(`${path}\n`);
}

/** Records all pages of a list. Gives the version of the list. */
async function recordList(name: string, path: string, selector: string): Promise<string> {
  const lines: string[] = [];
  let next: string | undefined = '';
  let version = '';
  while (next !== undefined) {
    const query = new URLSearchParams({
      labelSelector: selector,
      limit: '2',
      ...(next === '' ? {} : { continue: next }),
    });
    const { text } = await change('GET', `${path}?${query}`);
    lines.push(text.trim());
    const { metadata } = JSON.parse(text) as { metadata: { resourceVersion: string; continue?: string } };
    version = metadata.resourceVersion;
    next = metadata.continue || undefined;
  }
  record(name, { status: 200, text: lines.join('\n') });
  return version;
}

/** Records a watch from `version` on, while `changes` are made. */
async function recordWatch(
  name: string,
  path: string,
  selector: string,
  version: string,
  changes: () => Promise<void>,
): Promise<void> {
  const query = new URLSearchParams({
    labelSelector: selector,
    watch: 'true',
    resourceVersion: version,
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(watchSeconds),
  });
  const watching = ask('GET', `${path}?${query}`);
  await changes();
  record(name, await watching);
}

function slice(name: string, endpoints: readonly object[]): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': 'reviews' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 9080, protocol: 'TCP' }],
    endpoints,
  };
}

function endpoint(address: string, conditions = { ready: true, serving: true, terminating: false }): object {
  return { addresses: [address], conditions, nodeName: 'node-1', zone: 'eu-west-1a' };
}

function configMap(name: string, text: string): object {
  const labels = { 'inmesh.dev/config': 'true' };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels }, data: { 'mesh.yaml': text } };
}

async function recordSlices(): Promise<void> {
  const selector = 'kubernetes.io/service-name=reviews';
  for (const index of [1, 2, 3]) await change('POST', slices, slice(`reviews-${index}`, [endpoint(`10.0.0.${index}`)]));
  const version = await recordList('endpointslices-list', slices, selector);
  await recordWatch('endpointslices-watch', slices, selector, version, async () => {
    const draining = endpoint('10.0.0.1', { ready: false, serving: true, terminating: true });
    await change('PATCH', `${slices}/reviews-1`, { endpoints: [draining, endpoint('10.0.0.4')] });
    await change('POST', slices, slice('reviews-4', [endpoint('10.0.0.5')]));
    await change('DELETE', `${slices}/reviews-2`);
    // It loses its label, and is gone for who watches.
    await change('PATCH', `${slices}/reviews-3`, { metadata: { labels: { 'kubernetes.io/service-name': 'ratings' } } });
  });
  record('endpointslices-watch-gone', await ask('GET', `${slices}?watch=true&resourceVersion=1&timeoutSeconds=1`));
  record('endpointslices-unauthorized', await ask('GET', slices, undefined, 'bogus'));
  record('endpointslices-forbidden', await askAsNobody(slices));
}

/** As somebody who may do nothing. */
async function askAsNobody(path: string): Promise<Answer> {
  const response = await fetch(`${server}${path}`, {
    headers: { authorization: `Bearer ${token}`, 'impersonate-user': 'nobody' },
  });
  return { status: response.status, text: await response.text() };
}

async function recordConfigMaps(): Promise<void> {
  const selector = 'inmesh.dev/config=true';
  await change('POST', configMaps, configMap('inmesh-mesh', 'services: []\n'));
  const version = await recordList('configmaps-list', configMaps, selector);
  const { text } = await change('GET', `${configMaps}/inmesh-mesh`);
  record('configmap', { status: 200, text });
  await recordWatch('configmaps-watch', configMaps, selector, version, async () => {
    await change('PUT', `${configMaps}/inmesh-mesh`, {
      ...JSON.parse(text),
      data: { 'mesh.yaml': '# zweite, für €\n' },
    });
    record('configmap-conflict', await ask('PUT', `${configMaps}/inmesh-mesh`, JSON.parse(text)));
    record('configmap-exists', await ask('POST', configMaps, configMap('inmesh-mesh', '')));
    const preconditions = { resourceVersion: version };
    record('configmap-delete-conflict', await ask('DELETE', `${configMaps}/inmesh-mesh`, { preconditions }));
    await change('DELETE', `${configMaps}/inmesh-mesh`);
  });
  record('configmap-missing', await ask('GET', `${configMaps}/inmesh-mesh`));
}

mkdirSync(folder, { recursive: true });
await change('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
try {
  // Service accounts of the namespace come a moment later, with objects of their own.
  await sleep(1_000);
  await recordSlices();
  await recordConfigMaps();
} finally {
  await ask('DELETE', `/api/v1/namespaces/${namespace}`);
}
