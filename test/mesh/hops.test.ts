import type { IncomingMessage, RequestListener } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/index.ts';
import { Bench } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { codeOf } from './code-of.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const remaining = 'x-envoy-expected-rq-timeout-ms';
const attemptCount = 'x-envoy-attempt-count';

/** What a service of the chain got, in order. */
type Seen = IncomingMessage['headers'][];

/** `productpage`, a mesh, calls `reviews`, which calls `ratings` over a mesh of its own: like this. */
async function chain(reviews: (mesh: Mesh, seen: Seen) => RequestListener, ratings: RequestListener) {
  const atReviews: Seen = [];
  const atRatings: Seen = [];
  const deep = await bench.server((request, response) => {
    atRatings.push(request.headers);
    ratings(request, response);
  });
  const registry = { services: [{ host: 'ratings', endpoints: [{ address: deep.address }] }] };
  const middle = await bench.meshOf(registry, { service: 'reviews' });
  const inbound = middle.inbound();
  const serve = reviews(middle, atReviews);
  const { address } = await bench.server((request, response) => {
    atReviews.push(request.headers);
    inbound(request, response, () => serve(request, response));
  });
  return { mesh: await bench.mesh([address]), address, atReviews, atRatings };
}

/** Answers with the status that the call to `ratings` had, or its code. */
const forward =
  (mesh: Mesh, options = {}): RequestListener =>
  async (_request, response) => {
    const answer = await mesh.request('http://ratings/', { mesh: options }).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode;
      },
      (error) => codeOf(error),
    );
    response.statusCode = typeof answer === 'number' ? answer : 200;
    response.end(String(answer));
  };

const ok: RequestListener = (_request, response) => void response.end('ok');
const failing: RequestListener = (_request, response) => void response.writeHead(503).end();

describe('the deadline of a call', () => {
  it('is sent on as what is left of it, less at each hop', async () => {
    const { mesh, atReviews, atRatings } = await chain((middle) => forward(middle), ok);
    expect((await mesh.request('http://reviews/', { mesh: { timeoutMs: 5_000 } })).statusCode).toBe(200);
    const [first, second] = [Number(atReviews[0]?.[remaining]), Number(atRatings[0]?.[remaining])];
    expect(first).toBeLessThanOrEqual(5_000);
    expect(second).toBeLessThanOrEqual(first);
    expect(second).toBeGreaterThan(0);
  });

  it('is not sent where there is none', async () => {
    const { mesh, atReviews, atRatings } = await chain((middle) => forward(middle), ok);
    await mesh.request('http://reviews/');
    expect([atReviews[0]?.[remaining], atRatings[0]?.[remaining]]).toEqual([undefined, undefined]);
  });

  it('gives way to a nearer one of the next hop, and wins over a later one', async () => {
    const near = await chain((middle) => forward(middle, { timeoutMs: 300 }), ok);
    await near.mesh.request('http://reviews/', { mesh: { timeoutMs: 5_000 } });
    expect(Number(near.atRatings[0]?.[remaining])).toBeLessThanOrEqual(300);
    const far = await chain((middle) => forward(middle, { timeoutMs: 60_000 }), ok);
    await far.mesh.request('http://reviews/', { mesh: { timeoutMs: 5_000 } });
    expect(Number(far.atRatings[0]?.[remaining])).toBeLessThanOrEqual(5_000);
  });

  it('ends the calls that are made for it, which say that it was inherited', async () => {
    let told: Promise<string> | undefined;
    const { mesh } = await chain(
      (middle) => () => {
        told = middle.request('http://ratings/').then(() => 'answered', codeOf);
      },
      () => {},
    );
    expect(await mesh.request('http://reviews/', { mesh: { timeoutMs: 80, retries: 0 } }).catch(codeOf)).toBe(
      'INMESH_TIMEOUT',
    );
    expect(await told).toBe('INMESH_DEADLINE');
  });

  it('is not inherited by a call that says so, or that is made after the answer', async () => {
    const { mesh, atRatings } = await chain(
      (middle) => async (request, response) => {
        await middle.request('http://ratings/free', { mesh: { inheritDeadline: false } });
        response.end('ok');
        await middle.request('http://ratings/late');
        await forward(middle)(request, response);
      },
      ok,
    );
    await mesh.request('http://reviews/', { mesh: { timeoutMs: 5_000 } });
    while (atRatings.length < 2) await new Promise(setImmediate);
    expect(atRatings.slice(0, 2).map((headers) => headers[remaining])).toEqual([undefined, undefined]);
  });

  it('is checked before anything is sent: a call that comes too late is not made', async () => {
    const { address, atRatings } = await chain(
      (middle) => async (_request, response) => {
        const first = await middle.request('http://ratings/').catch(codeOf);
        const second = await middle.request('http://ratings/').catch(codeOf);
        response.end(`${first} ${second}`);
      },
      () => {},
    );
    const answer = await fetch(`http://${address}/`, { headers: { [remaining]: '50' } });
    expect(await answer.text()).toBe('INMESH_DEADLINE INMESH_DEADLINE');
    expect(atRatings).toHaveLength(1);
  });
});

describe('a retry', () => {
  it('says which attempt it is, and the first attempt says nothing', async () => {
    let times = 0;
    const { mesh, atReviews } = await chain(
      () => (_request, response) => void response.writeHead(++times < 3 ? 503 : 200).end(),
      ok,
    );
    expect((await mesh.request('http://reviews/', { mesh: { retries: 2 } })).statusCode).toBe(200);
    expect(atReviews.map((headers) => headers[attemptCount])).toEqual([undefined, '2', '3']);
  });

  it('is not multiplied further down: the calls made for one are not retried', async () => {
    const { mesh, atReviews, atRatings } = await chain((middle) => forward(middle, { retries: 2 }), failing);
    expect((await mesh.request('http://reviews/', { mesh: { retries: 2 } })).statusCode).toBe(503);
    expect(atReviews).toHaveLength(3);
    // Three for the first attempt of reviews, one for each of its repeats.
    expect(atRatings).toHaveLength(5);
  });

  it('says so in its own words, whatever the caller sent along', async () => {
    let times = 0;
    const { mesh, atReviews } = await chain(
      () => (_request, response) => void response.writeHead(++times < 2 ? 503 : 200).end(),
      ok,
    );
    const headers = { [attemptCount]: '9', [remaining]: '1' };
    await mesh.request('http://reviews/', { headers, mesh: { retries: 1, timeoutMs: 5_000 } });
    expect(atReviews.map((seen) => seen[attemptCount])).toEqual([undefined, '2']);
    expect(Number(atReviews[0]?.[remaining])).toBeGreaterThan(1_000);
  });
});
