import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { meshErrorOf } from '../../src/core/errors.ts';
import type { Mesh } from '../../src/index.ts';
import { Bench, type Listening } from '../adapters/bench.ts';
import { guardTests } from './guard-tests.ts';
import { ok, type WireRequest, wireServer } from './wire-server.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const url = 'http://reviews/';

/** What a server may do in place of a head, and the code of the mesh for it. */
const faults: Record<string, [(request: WireRequest) => void, string]> = {
  'resets the connection': [({ socket }) => void socket.resetAndDestroy(), 'INMESH_RESET'],
  'closes the connection': [({ socket }) => void socket.end(), 'INMESH_RESET'],
  'closes the connection in the middle of the head': [
    ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-'),
    'INMESH_RESET',
  ],
  'answers with garbage': [({ socket }) => void socket.end('SSH-2.0-OpenSSH_9.6\r\n'), 'INMESH_PROTOCOL'],
  'answers with a header that is none': [
    ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\nbad header\r\n\r\n'),
    'INMESH_PROTOCOL',
  ],
  'answers with two lengths': [
    ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx'),
    'INMESH_PROTOCOL',
  ],
  'answers with headers beyond the limit': [
    ({ socket }) => void socket.end(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(70_000)}\r\n\r\n`),
    'INMESH_PROTOCOL',
  ],
};

const init = { method: 'POST', body: 'x' };

/** Who may send a POST. */
const clients: Record<string, (mesh: Mesh) => Promise<unknown>> = {
  'mesh.request': (mesh) => mesh.request(url, init),
  'mesh.fetch': (mesh) => mesh.fetch(url, init),
  'mesh.fetch with a Request': (mesh) => mesh.fetch(new Request(url, { ...init, headers: { 'content-length': '1' } })),
  'undici.request': (mesh) => request(url, { ...init, dispatcher: mesh.dispatcher } as object),
  'built-in fetch': (mesh) => fetch(url, { ...init, dispatcher: mesh.dispatcher } as object),
};

async function server(
  answer: (request: WireRequest) => void,
): Promise<Listening<unknown> & { requests: WireRequest[] }> {
  const requests: WireRequest[] = [];
  const listening = await wireServer(bench, (request) => {
    requests.push(request);
    answer(request);
  });
  return { ...listening, requests };
}

describe.each(Object.entries(faults))('a server that %s', (_name, [fault, code]) => {
  it('is asked again for a GET, and then its error is told', async () => {
    const { address, requests } = await server(fault);
    const mesh = await bench.mesh([address]);
    await expect(mesh.request(url)).rejects.toMatchObject({ code, attempts: 3, endpoint: address });
    expect(requests).toHaveLength(3);
  });

  it('is forgotten for a GET when another server answers', async () => {
    const bad = await server(fault);
    const good = await server(({ socket }) => void socket.write(ok));
    const mesh = await bench.mesh([bad.address, good.address], { loadBalancer: { simple: 'ROUND_ROBIN' } });
    for (let round = 0; round < 4; round++) expect(await (await mesh.request(url)).body.text()).toBe('ok');
    expect(bad.requests.length).toBeGreaterThan(0);
  });

  it.each(Object.entries(clients))('gets a POST of %s once', async (_client, post) => {
    const { address, requests } = await server(fault);
    const mesh = await bench.mesh([address]);
    const error = await post(mesh).then(
      () => expect.unreachable('it was answered'),
      (caught) => caught,
    );
    expect(meshErrorOf(error)).toMatchObject({ code, attempts: 1 });
    expect(requests).toHaveLength(1);
  });

  it('gets a POST again that says it may be', async () => {
    const { address, requests } = await server((request) =>
      requests.length === 1 ? fault(request) : void request.socket.write(ok),
    );
    const mesh = await bench.mesh([address]);
    const { body } = await mesh.request(url, { method: 'POST', body: 'x', headers: { 'idempotency-key': '1' } });
    expect(await body.text()).toBe('ok');
    expect(requests.map((request) => request.body)).toEqual(['x', 'x']);
  });
});

describe('a server that is silent', () => {
  it('is left after perTryTimeoutMs, and asked again', async () => {
    const { address, requests } = await server(({ socket }) => {
      if (requests.length === 2) socket.write(ok);
    });
    const mesh = await bench.mesh([address]);
    const { body } = await mesh.request(url, { mesh: { perTryTimeoutMs: 30 } });
    expect(await body.text()).toBe('ok');
    expect(requests).toHaveLength(2);
  });

  it.each<[string, object, string, number]>([
    ['headTimeoutMs', { headTimeoutMs: 40 }, 'INMESH_HEAD_TIMEOUT', 1],
    ['timeoutMs', { timeoutMs: 40 }, 'INMESH_TIMEOUT', 1],
    ['perTryTimeoutMs', { perTryTimeoutMs: 20, retries: 1 }, 'INMESH_ATTEMPT_TIMEOUT', 2],
  ])('ends the call after %s', async (_name, limits, code, count) => {
    const { address, requests } = await server(() => {});
    const mesh = await bench.mesh([address]);
    await expect(mesh.request(url, { mesh: limits })).rejects.toMatchObject({ code });
    expect(requests).toHaveLength(count);
    await Promise.all(
      requests.map(({ socket }) => socket.closed || new Promise((resolve) => socket.once('close', resolve))),
    );
  });

  it('gets a POST once, whatever the limit', async () => {
    const { address, requests } = await server(() => {});
    const mesh = await bench.mesh([address]);
    for (const limits of [{ headTimeoutMs: 20 }, { perTryTimeoutMs: 20 }, { timeoutMs: 20 }]) {
      requests.length = 0;
      await expect(mesh.request(url, { method: 'POST', body: 'x', mesh: limits })).rejects.toMatchObject({
        name: 'MeshError',
      });
      expect(requests).toHaveLength(1);
    }
  });
});

describe('heads that are unusual', () => {
  it.each([
    ['103 before the head', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 200],
    ['102 twice before the head', 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n', 200],
  ])('%s is left out', async (_name, before, status) => {
    const { address } = await server(({ socket }) => void socket.write(before + ok));
    const mesh = await bench.mesh([address]);
    const response = await mesh.fetch(url);
    expect([response.status, response.headers.get('link'), await response.text()]).toEqual([status, null, 'ok']);
  });

  it('100 Continue that nobody asked for breaks the exchange, as in undici; a POST is still sent once', async () => {
    const { address, requests } = await server(({ socket }) => void socket.write(`HTTP/1.1 100 Continue\r\n\r\n${ok}`));
    const mesh = await bench.mesh([address]);
    await expect(mesh.request(url, { method: 'POST', body: 'x' })).rejects.toMatchObject({ code: 'INMESH_RESET' });
    expect(requests).toHaveLength(1);
  });

  it('the status 999 is a status', async () => {
    const { address } = await server(({ socket }) => void socket.write(ok.replace('200 OK', '999 Denied')));
    const mesh = await bench.mesh([address], { retries: { max: 0 } });
    const response = await mesh.fetch(url);
    expect([response.status, response.ok, response.statusText, await response.text()]).toEqual([
      999,
      false,
      'Denied',
      'ok',
    ]);
    expect((await mesh.request(url)).statusCode).toBe(999);
  });

  it('several set-cookie are several', async () => {
    const { address } = await server(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nset-cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\ncontent-length: 0\r\n\r\n');
    });
    const mesh = await bench.mesh([address]);
    expect((await mesh.fetch(url)).headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2']);
    expect((await mesh.request(url)).headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2']);
    const fetched = await fetch(url, { dispatcher: mesh.dispatcher } as RequestInit);
    expect(fetched.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2']);
  });

  it('large heads below the limit are read', async () => {
    const value = 'x'.repeat(15_000);
    const { address } = await server(
      ({ socket }) => void socket.write(ok.replace('\r\n\r\n', `\r\nx: ${value}\r\n\r\n`)),
    );
    const mesh = await bench.mesh([address]);
    expect((await mesh.fetch(url)).headers.get('x')).toBe(value);
  });

  it('204 with bytes is 204, and the next request gets its own reply', async () => {
    const { address } = await server(({ socket, path }) => {
      socket.write(path === '/204' ? 'HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nevil' : ok);
    });
    const mesh = await bench.mesh([address]);
    for (let round = 0; round < 3; round++) {
      const response = await mesh.fetch('http://reviews/204');
      expect([response.status, await response.text()]).toEqual([204, '']);
      expect(await (await mesh.fetch(url)).text()).toBe('ok');
    }
  });

  it('a second reply that nobody asked for is given to nobody', async () => {
    const { address } = await server(({ socket, number, path }) => {
      socket.write(number === 1 ? ok + ok.replace('ok', 'no').replace('ok', 'no') : ok.replace(/ok$/, path.slice(1)));
    });
    const mesh = await bench.mesh([address]);
    expect(await (await mesh.request(url)).body.text()).toBe('ok');
    for (let round = 0; round < 5; round++) {
      const text = await (await mesh.request('http://reviews/me')).body.text();
      expect(text).not.toBe('no');
    }
  });
});
