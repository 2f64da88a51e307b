import { afterEach, describe, expect, it } from 'vitest';
import type { MeshDocument } from '../../src/index.ts';
import { Bench, type Echo, echo } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { type Answer, clients } from './clients.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

/** `reviews` at a server that echoes, without a port; `ratings` there too, with the port 9080. */
async function open(mode?: 'REGISTRY_ONLY' | 'ALLOW_ANY') {
  const { address, port } = await bench.server(echo);
  const document: MeshDocument = {
    services: [
      { host: 'reviews', endpoints: [{ address }] },
      { host: 'ratings', port: 9080, endpoints: [{ address }] },
      { host: 'localhost', endpoints: [{ address }] },
    ],
    ...(mode === undefined ? undefined : { outboundTrafficPolicy: { mode } }),
  };
  return { mesh: await bench.meshOf(document, { defaults: { timeoutMs: 5_000 } }), port };
}

function seen(answer: Answer): Echo {
  if (typeof answer === 'string') throw new Error(answer);
  return JSON.parse(answer.text) as Echo;
}

describe.each(clients)('%s', (_name, send) => {
  it.each([undefined, 'REGISTRY_ONLY'] as const)('refuses a host that is no service, mode %s', async (mode) => {
    const { mesh, port } = await open(mode);
    expect(await send(mesh, `http://127.0.0.1:${port}/`)).toBe('INMESH_UNKNOWN_HOST');
    expect(await send(mesh, 'http://elsewhere.invalid/')).toBe('INMESH_UNKNOWN_HOST');
  });

  it('passes a host that is no service on when the document says ALLOW_ANY, without headers of the mesh', async () => {
    const { mesh, port } = await open('ALLOW_ANY');
    const { headers, url } = seen(await send(mesh, `http://127.0.0.1:${port}/passed?a=1`, { 'x-own': 'yes' }));
    expect([url, headers.host, headers['x-own']]).toEqual(['/passed?a=1', `127.0.0.1:${port}`, 'yes']);
    expect(headers).not.toHaveProperty('x-envoy-expected-rq-timeout-ms');
    expect(seen(await send(mesh, 'http://reviews/')).headers).toHaveProperty('x-envoy-expected-rq-timeout-ms');
  });

  it('takes the name of a service in any case, rooted, and with the default port', async () => {
    const { mesh } = await open();
    for (const url of ['http://REVIEWS/', 'http://reviews./', 'http://reviews:80/']) {
      expect(seen(await send(mesh, url)).url).toBe('/');
    }
  });

  it('takes the port of the service, and no other', async () => {
    const { mesh } = await open();
    expect(seen(await send(mesh, 'http://ratings:9080/')).headers.host).toBe('ratings:9080');
    expect(seen(await send(mesh, 'http://ratings/')).headers.host).toBe('ratings');
    expect(await send(mesh, 'http://ratings:9081/')).toBe('INMESH_UNKNOWN_HOST');
    expect(await send(mesh, 'http://reviews:9080/')).toBe('INMESH_UNKNOWN_HOST');
  });

  it('takes another port of a service for an unknown host', async () => {
    const { mesh, port } = await open('ALLOW_ANY');
    expect(seen(await send(mesh, `http://localhost:${port}/`)).headers).not.toHaveProperty(
      'x-envoy-expected-rq-timeout-ms',
    );
  });

  it('never sends https to a service in cleartext', async () => {
    const { mesh } = await open('ALLOW_ANY');
    expect(await send(mesh, 'https://reviews/')).toBe('INMESH_TLS');
  });
});
