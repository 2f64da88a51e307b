import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isMeshError, MeshError, meshErrorOf } from '../../src/core/errors.ts';
import {
  type MockHandler,
  type MockMeshOptions,
  mockMesh,
  seededRandom,
  VirtualClock,
} from '../../src/testing/index.ts';

async function open<S extends string>(handlers: { readonly [Name in S]?: MockHandler }, options?: MockMeshOptions) {
  const mesh = await mockMesh(handlers, options);
  onTestFinished(() => mesh.close());
  return mesh;
}

/** The code of the mesh's error that `promise` rejects with. */
function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no error',
    (error) => meshErrorOf(error)?.code ?? error,
  );
}

describe('mockMesh', () => {
  it('answers fetch with what the handler of the service returns, a Response or a value for JSON', async () => {
    const mesh = await open({
      reviews: () => [{ stars: 5 }],
      ratings: () => new Response('busy', { status: 503, headers: { 'retry-after': '1' } }),
      nothing: () => undefined,
    });
    expect(await (await mesh.fetch('http://reviews/42')).json()).toEqual([{ stars: 5 }]);
    const busy = await mesh.fetch('http://ratings/42');
    expect([busy.status, busy.headers.get('retry-after'), await busy.text()]).toEqual([503, '1', 'busy']);
    expect(await (await mesh.fetch('http://nothing/')).json()).toBe(null);
  });

  it('answers request, the dispatcher and views too', async () => {
    const mesh = await open({ reviews: ({ method, url }) => `${method} ${url}` });
    const { body, statusCode, headers } = await mesh.request('http://reviews/1', { method: 'DELETE' });
    expect([statusCode, headers['content-type'], await body.json()]).toEqual([
      200,
      'application/json',
      'DELETE http://reviews/1',
    ]);
    const dispatched = await fetch('http://reviews/2', { dispatcher: mesh.dispatcher } as RequestInit);
    expect(await dispatched.json()).toBe('GET http://reviews/2');
    expect(await (await mesh.with({ timeoutMs: 5_000 }).fetch('http://reviews/3')).json()).toBe('GET http://reviews/3');
  });

  it('gives the handler the request as the service would see it', async () => {
    let seen: unknown;
    const mesh = await open({
      async reviews(request) {
        seen = [request.method, request.url, request.headers.get('content-type'), await request.json()];
      },
    });
    await mesh.fetch('http://reviews/new?draft=1', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"stars":4}',
    });
    expect(seen).toEqual(['POST', 'http://reviews/new?draft=1', 'application/json', { stars: 4 }]);
  });

  it('records what services got', async () => {
    const mesh = await open({ reviews: () => 1, ratings: () => 2 });
    await mesh.request('http://reviews/new', { method: 'PUT', body: Buffer.from('ü'), headers: { 'x-user': 'ada' } });
    await mesh.request('http://ratings/7', { query: { page: 2 } });
    expect(mesh.calls).toMatchObject([
      { service: 'reviews', method: 'PUT', path: '/new', body: 'ü', attempt: 1 },
      { service: 'ratings', method: 'GET', path: '/7?page=2', body: '', attempt: 1 },
    ]);
    expect(mesh.calls[0]?.headers.get('x-user')).toBe('ada');
  });

  it('refuses services that are not mocked, and names those that are', async () => {
    const mesh = await open<'reviews' | 'ratings' | 'details'>({ reviews: () => 1, ratings: () => 2 });
    const error = await mesh.request('http://details/1').catch((caught: unknown) => caught);
    expect(isMeshError(error, 'INMESH_NOT_MOCKED')).toBe(true);
    expect((error as Error).message).toBe('details is not mocked; mocked are reviews, ratings');
    expect(mesh.calls).toEqual([]);
  });

  it('lets no installed fetch out of the process', async () => {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      response.end();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void server.close());
    const mesh = await open({ reviews: () => 'mocked' });
    const uninstall = mesh.install();
    onTestFinished(uninstall);
    expect(await (await fetch('http://reviews/')).json()).toBe('mocked');
    const { port } = server.address() as { port: number };
    expect(await codeOf(fetch(`http://127.0.0.1:${port}/`))).toBe('INMESH_NOT_MOCKED');
    expect(requests).toBe(0);
  });

  it('is called by https and with a port as well', async () => {
    const mesh = await open({ reviews: () => 'mocked' });
    expect(await (await mesh.fetch('https://reviews:8443/')).json()).toBe('mocked');
  });

  it('does not repeat calls unless asked to', async () => {
    const broken = new MeshError('INMESH_RESET', 'broken');
    const mesh = await open({
      reviews() {
        throw broken;
      },
    });
    expect(await mesh.request('http://reviews/').catch((error: unknown) => error)).toBe(broken);
    expect(mesh.calls.length).toBe(1);
  });

  it('repeats calls where the test asks for it, in virtual time', async () => {
    const clock = new VirtualClock();
    let times = 0;
    const mesh = await open(
      { reviews: () => (++times < 3 ? new Response(null, { status: 503 }) : 'third') },
      { clock, random: seededRandom(1), defaults: { retries: 2 } },
    );
    const reply = mesh.request('http://reviews/');
    await clock.advance(1_000);
    expect(await (await reply).body.json()).toBe('third');
    expect(mesh.calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  it('takes whatever a handler throws, and Response.error(), as a broken connection', async () => {
    const thrown = new Error('no such review');
    const mesh = await open({
      reviews() {
        throw thrown;
      },
      ratings: () => Response.error(),
    });
    const error = await mesh.request('http://reviews/').catch((caught: unknown) => caught);
    expect([meshErrorOf(error)?.code, (error as Error).cause]).toEqual(['INMESH_RESET', thrown]);
    expect(await codeOf(mesh.request('http://ratings/'))).toBe('INMESH_RESET');
  });

  it('has no limits in time of its own, and keeps to those of the call', async () => {
    const clock = new VirtualClock();
    let signal: AbortSignal | undefined;
    const mesh = await open(
      {
        reviews(request) {
          signal = request.signal;
          return new Promise(() => {});
        },
      },
      { clock },
    );
    const patient = codeOf(mesh.request('http://reviews/'));
    await clock.advance(3_600_000);
    expect(signal?.aborted).toBe(false);
    const impatient = codeOf(mesh.request('http://reviews/', { mesh: { timeoutMs: 50 } }));
    await clock.advance(50);
    expect(await impatient).toBe('INMESH_TIMEOUT');
    expect(signal?.aborted).toBe(true);
    const closing = mesh.close({ timeoutMs: 1 });
    await clock.advance(1);
    await closing;
    expect(await patient).toBe('INMESH_CLOSED');
  });

  it('runs fallbacks and commands', async () => {
    const mesh = await open({ reviews: () => Response.error() });
    const { body } = await mesh.request('http://reviews/', { mesh: { fallback: () => ({ stale: true }) } });
    expect(await body.json()).toEqual({ stale: true });
    expect(await mesh.command('charge', () => 42)).toBe(42);
  });

  it('passes the deadline of an inbound request on', async () => {
    const mesh = await open(
      { reviews: ({ headers }) => headers.get('x-envoy-expected-rq-timeout-ms') },
      { clock: new VirtualClock() },
    );
    const answer = new Promise<unknown>((resolve) => {
      const response = { writeHead() {}, once() {} };
      mesh.inbound()({ headers: { 'x-envoy-expected-rq-timeout-ms': '70' } } as never, response as never, () =>
        resolve(mesh.fetch('http://reviews/').then((reply) => reply.json())),
      );
    });
    expect(await answer).toBe('70');
  });

  it('streams a body as fast as it is read, and cancels it when its reader leaves', async () => {
    let pulled = 0;
    let cancelled = false;
    const mesh = await open({
      reviews: () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              pulled++;
              controller.enqueue(new Uint8Array(32 * 1024));
            },
            cancel() {
              cancelled = true;
            },
          }),
        ),
    });
    const { body } = await mesh.fetch('http://reviews/');
    const reader = body?.getReader();
    expect((await reader?.read())?.value?.length).toBe(32 * 1024);
    expect(pulled).toBeLessThan(10);
    await reader?.cancel();
    await expect.poll(() => cancelled).toBe(true);
  });

  it('keeps cookies apart, and sends no body with HEAD', async () => {
    const headers = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ] as [string, string][];
    const mesh = await open({ reviews: () => new Response('body', { headers }) });
    const reply = await mesh.request('http://reviews/', { method: 'HEAD' });
    expect(reply.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(await reply.body.text()).toBe('');
  });

  it('says that it does not answer what no Request can be', async () => {
    const mesh = await open({ reviews: () => 1 });
    expect(await codeOf(mesh.request('http://reviews/', { method: 'TRACE' }))).toBe('INMESH_UNSUPPORTED');
  });

  it('refuses names that no service can have', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warned.mockRestore());
    expect(await codeOf(mockMesh({ 'not a host': () => 1 }))).toBe('INMESH_CONFIG');
  });
});

it('a mocked service has the subsets that the test names', async () => {
  const mesh = await open({ reviews: () => 'ok' }, { subsets: ['v1', 'v2'] });
  expect((await mesh.fetch('http://reviews/', { mesh: { subset: 'v2' } })).status).toBe(200);
  expect(mesh.calls.map(({ subset }) => subset)).toEqual(['v2']);
  expect(await codeOf(mesh.fetch('http://reviews/', { mesh: { subset: 'v3' } }))).toBe('INMESH_NO_ENDPOINT');
});
