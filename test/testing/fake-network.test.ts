import { describe, expect, it, onTestFinished } from 'vitest';
import { MeshError } from '../../src/core/errors.ts';
import { type EndpointProfile, type Fault, type Simulation, simulateMesh } from '../../src/testing/index.ts';

/** A mesh with one service at one endpoint, that repeats nothing. */
async function simulate(profile: EndpointProfile): Promise<Simulation> {
  const tcp = { connectTimeout: '300ms' };
  const trafficPolicy = { connectionPool: { tcp }, outlierDetection: { disabled: true } };
  const services = [{ host: 'reviews', endpoints: [{ address: '10.0.0.1:80' }], trafficPolicy }];
  const simulation = await simulateMesh({
    document: { services },
    seed: 1,
    endpoints: { '10.0.0.1:80': profile },
    defaults: { retries: false },
  });
  onTestFinished(async () => {
    await simulation.close();
    simulation.check();
  });
  return simulation;
}

interface Seen {
  /** When the head or the error came. */
  at?: number;
  status?: number;
  code?: string;
  body?: string;
  /** When the body was over. */
  endedAt?: number;
}

/** Makes a call; what is seen of it fills in as time moves. */
function get(simulation: Simulation, method = 'GET'): Seen {
  const seen: Seen = {};
  const { clock } = simulation;
  const codeOf = (error: unknown) => (error instanceof MeshError ? error.code : String(error));
  simulation.request('http://reviews/1', { method, mesh: { bodyIdleMs: 1_000 } }).then(
    async ({ statusCode, body }) => {
      seen.at = clock.now();
      seen.status = statusCode;
      seen.body = await body.text().catch(codeOf);
      seen.endedAt = clock.now();
    },
    (error) => {
      seen.at = clock.now();
      seen.code = codeOf(error);
    },
  );
  return seen;
}

/** What a call sees of an endpoint with this fault. */
async function seenOf(fault: Fault): Promise<Seen & { received: number }> {
  const simulation = await simulate({ latency: 20, body: { bytes: 4, chunks: 2 }, faults: [fault] });
  const seen = get(simulation, 'POST');
  await simulation.advance(5_000);
  return { ...seen, received: simulation.network.received.length };
}

describe('FakeNetwork', () => {
  it('answers 200 after its latency', async () => {
    const simulation = await simulate({ latency: 20, headers: { 'x-one': '1' } });
    const seen = get(simulation);
    await simulation.advance(100);
    expect(seen).toEqual({ at: 20, status: 200, body: 'x'.repeat(16), endedAt: 20 });
    expect(simulation.network.received).toEqual([
      {
        at: 0,
        service: 'reviews',
        endpoint: '10.0.0.1:80',
        method: 'GET',
        path: '/1',
        key: '1.1',
        attempt: 1,
        processed: true,
      },
    ]);
  });

  it('connects first, and sends a body in pieces', async () => {
    const simulation = await simulate({ latency: 20, connectMs: 5, body: { bytes: 6, chunks: 3, everyMs: 10 } });
    const seen = get(simulation);
    await simulation.advance(100);
    expect(seen).toEqual({ at: 25, status: 200, body: 'xxxxxx', endedAt: 55 });
  });

  it('sends no body with the answer to HEAD', async () => {
    const simulation = await simulate({ latency: 20 });
    const seen = get(simulation, 'HEAD');
    await simulation.advance(100);
    expect(seen).toMatchObject({ status: 200, body: '' });
  });

  it('fails in every way that a connection can', async () => {
    expect(await seenOf({ kind: 'refuse-connection' })).toEqual({ at: 0, code: 'INMESH_CONNECT', received: 0 });
    // With one endpoint there is no other to ask for free.
    expect(await seenOf({ kind: 'connect-timeout' })).toEqual({ at: 300, code: 'INMESH_CONNECT', received: 0 });
    expect(await seenOf({ kind: 'refuse-stream' })).toEqual({ at: 0, code: 'INMESH_REFUSED_STREAM', received: 1 });
    expect(await seenOf({ kind: 'reset-before-head' })).toEqual({ at: 20, code: 'INMESH_RESET', received: 1 });
    const head = { at: 20, status: 200, received: 1 };
    expect(await seenOf({ kind: 'reset-in-body' })).toEqual({ ...head, body: 'INMESH_RESET', endedAt: 20 });
    expect(await seenOf({ kind: 'stall-in-body' })).toEqual({ ...head, body: 'INMESH_BODY_IDLE', endedAt: 1_020 });
    expect(await seenOf({ kind: 'stall' })).toEqual({ received: 1 });
  });

  it('answers late, slowly, or with another status', async () => {
    const body = { body: 'xxxx', received: 1 };
    expect(await seenOf({ kind: 'slow-head', extra: 15 })).toEqual({ at: 35, status: 200, endedAt: 35, ...body });
    expect(await seenOf({ kind: 'slow-body', everyMs: 10, chunks: 4 })).toEqual({
      at: 20,
      status: 200,
      endedAt: 60,
      ...body,
    });
    expect(await seenOf({ kind: 'status', status: 503 })).toEqual({ at: 20, status: 503, endedAt: 20, ...body });
  });

  it('fails only in the time and with the likelihood that it is told', async () => {
    const window = { fromMs: 100, untilMs: 200 };
    const simulation = await simulate({
      latency: 1,
      faults: [
        { kind: 'status', status: 500, ...window },
        { kind: 'status', status: 404, fromMs: 200, probability: 0.3 },
      ],
    });
    const calls = Array.from({ length: 1_200 }, () => 0);
    const seen: Seen[] = [];
    for (const _ of calls) {
      seen.push(get(simulation));
      await simulation.advance(1);
    }
    await simulation.advance(10);
    const statuses = (from: number, to: number, status: number) =>
      seen.slice(from, to).filter((one) => one.status === status).length;
    expect([statuses(0, 100, 200), statuses(100, 200, 500)]).toEqual([100, 100]);
    expect(statuses(200, 1_200, 404) / 1_000).toBeCloseTo(0.3, 1);
  });

  it('works on so many requests at once, lets the others wait, and refuses those beyond its queue', async () => {
    const simulation = await simulate({ latency: 10, capacity: { concurrency: 2, maxQueue: 2 } });
    const seen = Array.from({ length: 5 }, () => get(simulation));
    await simulation.advance(100);
    expect(seen.map(({ at, status }) => [at, status])).toEqual([
      [10, 200],
      [10, 200],
      [20, 200],
      [20, 200],
      [0, 503],
    ]);
  });

  it('gives the place of a request whose caller is gone to the next one', async () => {
    const simulation = await simulate({ latency: 10, capacity: { concurrency: 1 } });
    const controller = new AbortController();
    const given = simulation.request('http://reviews/1', { signal: controller.signal });
    const waiting = get(simulation);
    await simulation.advance(4);
    controller.abort('gone');
    await expect(given).rejects.toBe('gone');
    await simulation.advance(100);
    expect(waiting.at).toBe(14);
  });

  it('changes its behaviour from one request to the next', async () => {
    const simulation = await simulate({ status: 404 });
    const before = get(simulation);
    await simulation.advance(10);
    simulation.network.setProfile('10.0.0.1:80', { status: 200 });
    const after = get(simulation);
    await simulation.advance(10);
    expect([before.status, after.status]).toEqual([404, 200]);
  });
});
