import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, type Echo, echo } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

async function listen(options: ListenOptions): Promise<AddressInfo> {
  const server = createServer(echo);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, resolve);
  });
  bench.onClose(() => new Promise((resolve) => server.close(resolve)));
  bench.onClose(() => server.closeAllConnections());
  return server.address() as AddressInfo;
}

async function socketPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
  bench.onClose(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'service.sock');
}

describe('an endpoint', () => {
  it('may be a unix socket: the host stays that of the service', async () => {
    const path = await socketPath();
    await listen({ path });
    const mesh = await bench.mesh([`unix:${path}`]);
    const seen = (await (await mesh.fetch('http://reviews/42')).json()) as Echo;
    expect([seen.url, seen.headers.host]).toEqual(['/42', 'reviews']);
    expect(mesh.status().services[0]?.endpoints).toMatchObject([{ address: `unix:${path}`, connections: 1 }]);
  });

  it('may be an IPv6 address', async () => {
    const { port } = await listen({ host: '::1', port: 0 });
    const mesh = await bench.mesh([`[::1]:${port}`]);
    const { body } = await mesh.request('http://reviews/');
    expect(((await body.json()) as Echo).headers.host).toBe('reviews');
    expect(mesh.status().services[0]?.endpoints).toMatchObject([{ address: `[::1]:${port}` }]);
  });

  it('may be a name', async () => {
    const { port } = await listen({ host: '127.0.0.1', port: 0 });
    const mesh = await bench.mesh([`localhost:${port}`]);
    expect((await mesh.request('http://reviews/')).statusCode).toBe(200);
  });

  it('of any kind takes over from one that is not there, which is named in the error when all are gone', async () => {
    const path = await socketPath();
    await listen({ path });
    const gone = await socketPath();
    const mesh = await bench.mesh([`unix:${path}`, `unix:${gone}`, '127.0.0.1:1', '[::1]:1']);
    for (let calls = 0; calls < 12; calls++) expect((await mesh.request('http://reviews/')).statusCode).toBe(200);
    const nowhere = await bench.mesh([`unix:${gone}`]);
    const error = await nowhere.request('http://reviews/', { mesh: { retries: 0 } }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'INMESH_CONNECT', service: 'reviews', endpoint: `unix:${gone}` });
  });
});
