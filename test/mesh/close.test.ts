import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, echo } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { silentAddress } from '../faults/silent-address.ts';
import { CertificateFolder } from '../tls/certificate-folder.ts';
import { createAuthority } from '../tls/test-authority.ts';
import { clients } from './clients.ts';
import { codeOf } from './code-of.ts';
import { reviews, virtualMesh } from './virtual-mesh.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

describe('closing a mesh', () => {
  it('waits for the calls in flight, bodies included, and refuses new ones meanwhile', async () => {
    let finish = () => {};
    const { address } = await bench.server((_request, response) => {
      response.write('first');
      finish = () => response.end(' last');
    });
    const mesh = await bench.mesh([address]);
    const { body } = await mesh.request('http://reviews/');
    let closed = false;
    const closing = mesh.close().then(() => {
      closed = true;
    });
    for (const [, send] of clients) expect(await send(mesh, 'http://reviews/')).toBe('INMESH_CLOSED');
    expect(closed).toBe(false);
    finish();
    expect(await body.text()).toBe('first last');
    await closing;
  });

  it('gives one and the same promise however often it is asked for', async () => {
    const mesh = await bench.mesh([]);
    const first = mesh.close();
    expect(mesh.close({ timeoutMs: 1 })).toBe(first);
    await first;
    expect(mesh.close()).toBe(first);
  });

  it.each([
    ['a head', () => {}],
    ['the rest of a body', (_request: unknown, response: { write(text: string): void }) => response.write('first')],
  ])(
    'ends with INMESH_CLOSED what still waits for %s after timeoutMs, and repeats none of it',
    async (_what, serve) => {
      let requests = 0;
      const { address } = await bench.server((request, response) => {
        requests++;
        serve(request, response);
      });
      const mesh = await bench.mesh([address]);
      const call = mesh.fetch('http://reviews/').then((response) => response.text());
      while (requests === 0) await new Promise(setImmediate);
      await Promise.all([
        mesh.close({ timeoutMs: 20 }),
        call.then(
          () => expect.unreachable(),
          (error) => expect(codeOf(error)).toBe('INMESH_CLOSED'),
        ),
      ]);
      expect(requests).toBe(1);
    },
  );

  it('ends calls that wait for a connection, in a queue, or for their next attempt', async () => {
    const silent = await silentAddress(bench);
    const connecting = await bench.mesh([silent], { connectionPool: { tcp: { maxConnections: 1 } } });
    const [first, queued] = [connecting.request('http://reviews/1'), connecting.request('http://reviews/2')];
    const codes = Promise.all([first.catch(codeOf), queued.catch(codeOf)]);
    await connecting.close({ timeoutMs: 20 });
    expect(await codes).toEqual(['INMESH_CLOSED', 'INMESH_CLOSED']);
    let requests = 0;
    const { address } = await bench.server((_request, response) => {
      requests++;
      response.writeHead(503, { 'retry-after': '3' }).end();
    });
    const retrying = await bench.mesh([address]);
    const call = retrying.request('http://reviews/').catch(codeOf);
    while (requests === 0) await new Promise(setImmediate);
    await retrying.close({ timeoutMs: 20 });
    expect([await call, requests]).toEqual(['INMESH_CLOSED', 1]);
  });

  it('takes the mesh out of the process, for every fetch', async () => {
    const { address } = await bench.server(echo);
    const mesh = await bench.mesh([address]);
    mesh.install();
    expect((await fetch('http://reviews/')).status).toBe(200);
    await mesh.close();
    await expect(fetch('http://reviews/')).rejects.toThrow('fetch failed');
    expect((await fetch(`http://${address}/`)).status).toBe(200);
  });

  it('leaves no timer and no member in virtual time, whatever was on', async () => {
    const { mesh, clock, close } = await virtualMesh(
      { services: [reviews(['10.0.0.1:80', '10.0.0.2:80'], { circuitBreaker: {}, timeout: '3s' })] },
      { endpoints: { '10.0.0.1:80': { status: 500 } } },
    );
    for (let calls = 0; calls < 40; calls++) {
      void mesh.request('http://reviews/', { mesh: { retries: 2 } }).catch(() => {});
      await clock.advance(3);
    }
    await close();
    expect(clock.pendingTimers).toBe(0);
    expect(mesh.status().services).toEqual([]);
  });

  it('leaves nothing that keeps a process alive: no socket, no timer, no watcher', async () => {
    const { address } = await bench.server(echo);
    const folder = await CertificateFolder.create();
    bench.onClose(() => folder.remove());
    const authority = await createAuthority();
    await folder.write('ca.crt', authority.cert);
    const file = join(folder.path, 'mesh.json');
    const tls = { mode: 'SIMPLE' as const, caCertificates: folder.file('ca.crt') };
    const services = [
      { host: 'reviews', endpoints: [{ address }] },
      { host: 'secured', endpoints: [{ address }], trafficPolicy: { tls } },
      { host: 'named', resolution: 'DNS', endpoints: [{ address: 'localhost:80' }] },
    ];
    await writeFile(file, JSON.stringify({ services }));
    const before = process.getActiveResourcesInfo();
    const mesh = await bench.meshOf(`file:${file}` as never);
    await Promise.all(Array.from({ length: 5 }, async () => (await mesh.fetch('http://reviews/')).text()));
    await mesh.fetch('http://secured/', { mesh: { retries: 0 } }).catch(() => {});
    await mesh.close();
    // The server side of the connections is this process too, and sees their end a little later.
    for (let turns = 0; turns < 200 && excess(before).length > 0; turns++) await new Promise(setImmediate);
    expect(excess(before)).toEqual([]);
  });
});

/** The kinds of resources of which there are more than `before`. */
function excess(before: readonly string[]): string[] {
  const now = process.getActiveResourcesInfo();
  const count = (kinds: readonly string[], kind: string) => kinds.filter((one) => one === kind).length;
  return [...new Set(now)].filter((kind) => kind !== 'Immediate' && count(now, kind) > count(before, kind));
}
