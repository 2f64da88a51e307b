/**
 * What a real API server sent, see `test/backends/kubernetes/recorded/README.md`: the driver understands it, and the API
 * server of the tests sends nothing of another form.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { KubernetesRegistry } from '../../../src/discovery/kubernetes/kubernetes-registry.ts';
import { ApiServer } from '../../backends/kubernetes/api-server.ts';
import {
  configMapPlace,
  endingAt,
  makeConfigMap,
  makeSlice,
  readyAt,
  slicePlace,
} from '../../backends/kubernetes/objects-of-tests.ts';
import { EndpointRecorder } from '../endpoint-recorder.ts';

function recorded(name: string): string {
  return readFileSync(new URL(`../../backends/kubernetes/recorded/${name}.ndjson`, import.meta.url), 'utf8');
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A registry over a server that answers lists and watches with what was recorded, then keeps watches open. */
async function replay(resource: string, watch = `${resource}-watch.200`) {
  const pages = linesOf(recorded(`${resource}-list.200`));
  let page = 0;
  const requests: URLSearchParams[] = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://api');
    requests.push(searchParams);
    if (searchParams.get('watch') === 'true')
      response.write(requests.length <= pages.length + 1 ? recorded(watch) : '');
    else response.end(pages[page++ % pages.length]);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const access = { host, pathPrefix: '', tls: undefined, token: undefined, namespace: 'shop' };
  const registry = new KubernetesRegistry({ access, clock: systemClock, random: seededRandom(1), backoffMs: 10 });
  closing.push(
    () => registry.close(),
    async () => {
      server.closeAllConnections();
      server.close();
    },
  );
  return { registry, requests };
}

describe('KubernetesRegistry with what a real API server sent', () => {
  it('follows the slices of a service', async () => {
    const { registry, requests } = await replay('endpointslices');
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('reviews', recorder.sink);
    await recorder.until('10.0.0.4:9080,10.0.0.5:9080,~10.0.0.1:9080');
    expect(recorder.told).toEqual([
      '10.0.0.1:9080,10.0.0.2:9080,10.0.0.3:9080',
      '10.0.0.2:9080,10.0.0.3:9080,10.0.0.4:9080,~10.0.0.1:9080',
      '10.0.0.2:9080,10.0.0.3:9080,10.0.0.4:9080,10.0.0.5:9080,~10.0.0.1:9080',
      '10.0.0.3:9080,10.0.0.4:9080,10.0.0.5:9080,~10.0.0.1:9080',
      '10.0.0.4:9080,10.0.0.5:9080,~10.0.0.1:9080',
    ]);
    expect(recorder.endpoints.get('10.0.0.4:9080')).toMatchObject({
      locality: 'eu-west-1/eu-west-1a',
      labels: { node: 'node-1', zone: 'eu-west-1a' },
    });
    const [first = '', second = ''] = linesOf(recorded('endpointslices-list.200'));
    expect(requests[1]?.get('continue')).toBe(JSON.parse(first).metadata.continue);
    expect(requests[2]?.get('resourceVersion')).toBe(JSON.parse(second).metadata.resourceVersion);
  });

  it('waits and lists again when it is told at once that its version is gone', async () => {
    const { registry, requests } = await replay('endpointslices', 'endpointslices-watch-gone.200');
    const recorder = new EndpointRecorder();
    registry.watchEndpoints('reviews', recorder.sink);
    await recorder.until('status 410: too old resource version');
    await recorder.until('10.0.0.1:9080,10.0.0.2:9080,10.0.0.3:9080');
    expect(requests.filter((query) => query.get('limit') !== null)).toHaveLength(4);
  });

  it('follows ConfigMaps', async () => {
    const { registry } = await replay('configmaps');
    const told: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      registry.watchDocuments({
        set: (documents) => {
          told.push(documents.map(({ text }) => text));
          return { accepted: true };
        },
        absent: () => resolve(),
        failed: reject,
      });
    });
    expect(told).toEqual([['services: []\n'], ['# zweite, für €\n']]);
  });
});

/** Where a value has which fields; what is below labels, data and managed fields is the user's. */
function fieldsOf(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((one) => fieldsOf(one, `${path}[]`)))];
  if (typeof value !== 'object' || value === null || /\.(labels|data|managedFields)$/.test(path)) return [path];
  return Object.entries(value).flatMap(([name, field]) => fieldsOf(field, `${path}.${name}`));
}

describe('the API server of the tests', () => {
  async function send(server: ApiServer, method: string, path: string, body?: unknown): Promise<[number, string]> {
    const response = await fetch(`http://${server.access.host}${path}`, {
      method,
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    });
    return [response.status, await response.text()];
  }

  async function start(): Promise<ApiServer> {
    const server = new ApiServer();
    await server.start();
    closing.push(() => server.stop());
    return server;
  }

  function expectForm(text: string, ...names: readonly string[]): void {
    const known = new Set(
      names.flatMap((name) => linesOf(recorded(name)).flatMap((line) => fieldsOf(JSON.parse(line)))),
    );
    const odd = linesOf(text).flatMap((line) => fieldsOf(JSON.parse(line)).filter((field) => !known.has(field)));
    expect(odd).toEqual([]);
  }

  const slices = '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices';
  const configMaps = '/api/v1/namespaces/shop/configmaps';

  it('lists and watches in the form of a real one', async () => {
    const server = await start();
    for (const name of ['a', 'b', 'c']) server.put(slicePlace, makeSlice(name, { endpoints: [readyAt('10.0.0.1')] }));
    for (const page of ['?limit=2', '?limit=2&continue=2,103']) {
      expectForm((await send(server, 'GET', slices + page))[1], 'endpointslices-list.200');
    }
    const watching = send(server, 'GET', `${slices}?watch=true&resourceVersion=100`);
    await server.until(() => server.watchCount === 1);
    server.put(slicePlace, makeSlice('a', { endpoints: [endingAt('10.0.0.1')] }));
    server.delete(slicePlace, 'b');
    server.bookmark();
    server.endWatches();
    const [, events] = await watching;
    expect(linesOf(events).map((line) => JSON.parse(line).type)).toEqual([
      ...['ADDED', 'ADDED', 'ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'],
    ]);
    expectForm(events, 'endpointslices-watch.200');
    server.objects.compact();
    const [status, gone] = await send(server, 'GET', `${slices}?watch=true&resourceVersion=100`);
    expect(status).toBe(200);
    expectForm(gone, 'endpointslices-watch-gone.200');
  });

  it('refuses with the status and in the form of a real one', async () => {
    const server = await start();
    server.put(configMapPlace, makeConfigMap('a', { x: '1' }));
    const stale = { metadata: { name: 'a', resourceVersion: '1' } };
    const answers: readonly (readonly [string, Promise<[number, string]>])[] = [
      ['configmap-missing.404', send(server, 'GET', `${configMaps}/b`)],
      ['configmap-exists.409', send(server, 'POST', configMaps, makeConfigMap('a', {}))],
      ['configmap-conflict.409', send(server, 'PUT', `${configMaps}/a`, stale)],
      [
        'configmap-delete-conflict.409',
        send(server, 'DELETE', `${configMaps}/a`, { preconditions: { resourceVersion: '1' } }),
      ],
      ['configmap.200', send(server, 'GET', `${configMaps}/a`)],
      ['configmaps-list.200', send(server, 'GET', configMaps)],
    ];
    for (const [name, answer] of answers) {
      const [status, text] = await answer;
      expect(name).toMatch(new RegExp(`\\.${status}$`));
      expectForm(text, name);
    }
    server.authorization = 'Bearer x';
    expectForm((await send(server, 'GET', slices))[1], 'endpointslices-unauthorized.401');
  });
});
