import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express from 'express';
import fastify from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/index.ts';
import { Bench, type Echo, echo } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

/** What a request handler answers. */
type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>;

/** The three ways to serve with `mesh.inbound()`. */
const servers: Record<string, (mesh: Mesh, serve: Serve) => Promise<RequestListener>> = {
  'node:http': async (mesh, serve) => {
    const inbound = mesh.inbound();
    return (request, response) => {
      inbound(request, response, () => void answer(serve, request, response));
    };
  },
  Express: async (mesh, serve) => {
    const app = express();
    app.use(mesh.inbound());
    app.use((request, response) => void answer(serve, request, response));
    return app;
  },
  Fastify: async (mesh, serve) => {
    const app = fastify();
    app.addHook('onRequest', mesh.inbound());
    app.get('/*', async (request, reply) => {
      reply.hijack();
      await answer(serve, request.raw, reply.raw);
    });
    await app.ready();
    bench.onClose(() => app.close());
    return (request, response) => app.routing(request, response);
  },
};

async function answer(serve: Serve, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const said = await serve(request, response).catch((error) => ({ error: error.code ?? String(error) }));
  if (!response.writableEnded) response.end(JSON.stringify(said ?? null));
}

/** Asks the server with these headers; it asks `reviews`, which answers what it saw. */
async function ask(
  make: (mesh: Mesh, serve: Serve) => Promise<RequestListener>,
  headers: Record<string, string>,
  serve?: (mesh: Mesh) => Serve,
) {
  const upstream = await bench.server(echo);
  const mesh = await bench.mesh([upstream.address], { retries: { max: 2 } });
  const nested: Serve = async () => (await mesh.request('http://reviews/nested')).body.json();
  const { address } = await bench.server(await make(mesh, serve?.(mesh) ?? nested));
  const response = await fetch(`http://${address}/`, { headers });
  return (await response.json()) as Echo & { error?: string };
}

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe.each(Object.entries(servers))('mesh.inbound() in %s', (_name, make) => {
  it('hands the remaining time on', async () => {
    const { headers } = await ask(make, { 'x-envoy-expected-rq-timeout-ms': '5000' });
    const left = Number(headers['x-envoy-expected-rq-timeout-ms']);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(5_000);
  });

  it('ends nested calls when the time is over', async () => {
    const { error } = await ask(make, { 'x-envoy-expected-rq-timeout-ms': '30' }, (mesh) => async () => {
      await mesh.command('wait', () => new Promise(() => {}));
    });
    expect(error).toBe('INMESH_DEADLINE');
  });

  it('lifts the deadline once the head is sent', async () => {
    const seen = await ask(make, { 'x-envoy-expected-rq-timeout-ms': '5000' }, (mesh) => async (_request, response) => {
      response.writeHead(200);
      response.end(JSON.stringify(await (await mesh.request('http://reviews/')).body.json()));
    });
    expect(seen.headers['x-envoy-expected-rq-timeout-ms']).toBeUndefined();
  });

  it('hands trace headers and the request id on, and no baggage of strangers', async () => {
    const { headers } = await ask(make, {
      traceparent: trace,
      tracestate: 'a=1',
      'x-request-id': 'r-1',
      baggage: 'user=root',
    });
    expect(headers).toMatchObject({ traceparent: trace, tracestate: 'a=1', 'x-request-id': 'r-1' });
    expect(headers.baggage).toBeUndefined();
  });

  it.each(['', '0', '-5', '1e9', 'soon', '99999999999999'])('ignores %j as remaining time', async (value) => {
    const { headers } = await ask(make, { 'x-envoy-expected-rq-timeout-ms': value });
    expect(headers['x-envoy-expected-rq-timeout-ms']).toBeUndefined();
  });

  it('cuts the remaining time of strangers to five minutes', async () => {
    const { headers } = await ask(make, { 'x-envoy-expected-rq-timeout-ms': '999999999999' });
    expect(Number(headers['x-envoy-expected-rq-timeout-ms'])).toBeLessThanOrEqual(300_000);
  });
});

describe('mesh.inbound()', () => {
  it.each([
    ['1', 3],
    ['2', 1],
  ])('does not multiply retries: attempt %s causes %i', async (attempt, requests) => {
    let seen = 0;
    const upstream = await bench.server((_request, response) => {
      seen++;
      response.writeHead(503).end();
    });
    const mesh = await bench.mesh([upstream.address]);
    const inbound = mesh.inbound();
    const { address } = await bench.server((request, response) => {
      inbound(request, response, async () => {
        response.end(String((await mesh.request('http://reviews/')).statusCode));
      });
    });
    await (await fetch(`http://${address}/`, { headers: { 'x-envoy-attempt-count': attempt } })).text();
    expect(seen).toBe(requests);
  });

  it('is lifted when the caller goes away', async () => {
    const upstream = await bench.server(echo);
    const mesh = await bench.mesh([upstream.address]);
    const inbound = mesh.inbound();
    let later!: Promise<Echo>;
    const controller = new AbortController();
    const served = new Promise<void>((resolve) => {
      void bench
        .server((request, response) => {
          inbound(request, response, () => {
            later = new Promise<void>((gone) => response.on('close', gone)).then(
              async () => (await mesh.request('http://reviews/')).body.json() as Promise<Echo>,
            );
            resolve();
            controller.abort();
          });
        })
        .then(({ address }) =>
          fetch(`http://${address}/`, {
            headers: { 'x-envoy-expected-rq-timeout-ms': '60000' },
            signal: controller.signal,
          }).catch(() => {}),
        );
    });
    await served;
    expect((await later).headers['x-envoy-expected-rq-timeout-ms']).toBeUndefined();
  });

  it('numbers its attempts for the services behind', async () => {
    const counts: unknown[] = [];
    const upstream = await bench.server((request, response) => {
      counts.push(request.headers['x-envoy-attempt-count']);
      response.writeHead(503).end();
    });
    const mesh = await bench.mesh([upstream.address]);
    await mesh.request('http://reviews/');
    expect(counts).toEqual([undefined, '2', '3']);
  });
});
