import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { MeshRequestOptions } from '../../src/adapters/request.ts';
import { InboundContext, inboundContext } from '../../src/mesh/inbound-context.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { latency } from '../../src/testing/latency.ts';
import { codeOf } from './code-of.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const [a, b] = ['10.0.0.1:80', '10.0.0.2:80'] as const;

let virtual: VirtualMesh;
afterEach(() => virtual.close());

async function open(profile: EndpointProfile, trafficPolicy: TrafficPolicy = {}) {
  const policy = { coalesce: true, retries: { max: 0 }, ...trafficPolicy };
  virtual = await virtualMesh({ services: [reviews([a, b], policy)] }, { defaultProfile: { latency: 10, ...profile } });
  return virtual;
}

function call(options: MeshRequestOptions = {}, path = '/'): Promise<string> {
  return virtual.mesh
    .request(`http://reviews${path}`, options)
    .then(async ({ statusCode, body }) => `${statusCode} ${(await body.text()).length}`)
    .catch((error) => String(codeOf(error)));
}

/** What the calls come to, and how many requests servers saw. */
async function outcomes(calls: Promise<string>[], ms = 100): Promise<[string[], number]> {
  await virtual.clock.advance(ms);
  return [await Promise.all(calls), virtual.network.received.length];
}

const sized = (bytes: number) => ({ 'content-length': String(bytes) });

describe('equal calls at once', () => {
  it('share one request, and each has the whole answer', async () => {
    await open({ headers: sized(16) });
    expect(await outcomes([call(), call(), call()])).toEqual([['200 16', '200 16', '200 16'], 1]);
  });

  it('share with calls that are as critical, and with no others', async () => {
    await open({ headers: sized(16) });
    const sheddable = { mesh: { criticality: 'sheddable' } } as const;
    expect(await outcomes([call(sheddable), call(), call(sheddable), call()])).toEqual([
      ['200 16', '200 16', '200 16', '200 16'],
      2,
    ]);
  });

  it('have the head as soon as it is there, and then the body', async () => {
    const { mesh, clock } = await open({ headers: sized(16), body: { chunks: 4, everyMs: 10 } });
    const heads = [mesh.request('http://reviews/'), mesh.request('http://reviews/')];
    await clock.advance(15);
    const replies = await Promise.all(heads);
    const texts = replies.map(({ body }) => body.text());
    await clock.advance(40);
    expect((await Promise.all(texts)).map(({ length }) => length)).toEqual([16, 16]);
  });

  it('do not wait for a body that others have begun to read', async () => {
    const { clock } = await open({ headers: sized(16), body: { chunks: 4, everyMs: 10 } });
    const first = [call(), call()];
    await clock.advance(25);
    expect(await outcomes([...first, call()])).toEqual([['200 16', '200 16', '200 16'], 2]);
  });

  it('share the silence of a body, and its limit', async () => {
    const profile = { headers: sized(16), faults: [{ kind: 'stall-in-body' }] } as const;
    await open(profile, { headTimeout: false, bodyIdleTimeout: '1s' });
    const calls = [call(), call()];
    expect(await outcomes(calls, 2_000)).toEqual([['INMESH_BODY_IDLE', 'INMESH_BODY_IDLE'], 1]);
  });

  it('are asked again once the answer is there', async () => {
    await open({ headers: sized(16) });
    expect(await outcomes([call(), call()])).toEqual([['200 16', '200 16'], 1]);
    expect(await outcomes([call()])).toEqual([['200 16'], 2]);
  });

  it('share an error', async () => {
    await open({ faults: [{ kind: 'reset-before-head' }] });
    expect(await outcomes([call(), call()])).toEqual([['INMESH_RESET', 'INMESH_RESET'], 1]);
  });

  it('share a bad status, with its verdict', async () => {
    await open({ headers: sized(16), status: 500 }, { circuitBreaker: { consecutiveErrors: 1 } });
    expect(await outcomes([call(), call()])).toEqual([['500 16', '500 16'], 1]);
    expect(virtual.mesh.status().services[0]?.circuitBreaker).toBe('open');
  });

  it('count those that joined', async () => {
    await open({ headers: sized(16) });
    await outcomes([call(), call(), call()]);
    const registry = new PrometheusRegistry();
    virtual.mesh.metrics.attach(registry);
    expect(await registry.metrics()).toContain('inmesh_coalesced_calls_total{service="reviews"} 2');
  });
});

describe('calls that are not equal', () => {
  it('are sent each: another path, header or method, or a body', async () => {
    await open({ headers: sized(16) });
    const calls = [
      call(),
      call({}, '/2'),
      call({ headers: { accept: 'text/css' } }),
      call({ method: 'DELETE' }),
      call({ method: 'DELETE' }),
      call({ body: 'x' }),
      call({ body: 'x' }),
    ];
    const [, requests] = await outcomes(calls);
    expect(requests).toBe(7);
  });

  it('are equal for all that trace headers say', async () => {
    await open({ headers: sized(16) });
    const calls = [call({ headers: { 'x-request-id': '1' } }), call({ headers: { 'x-request-id': '2' } })];
    expect((await outcomes(calls))[1]).toBe(1);
  });
});

describe('an answer that may not be shared', () => {
  it.each<[string, EndpointProfile]>([
    ['sets a cookie', { headers: { ...sized(16), 'set-cookie': 'session=1' } }],
    ['is private', { headers: { ...sized(16), 'cache-control': 'max-age=5, private' } }],
    ['must not be stored', { headers: { ...sized(16), 'cache-control': 'no-store' } }],
    ['is of unknown length', { body: { chunks: 2, everyMs: 1 } }],
    ['is too large', { headers: sized(2_000_000), body: { bytes: 2_000_000, chunks: 2, everyMs: 1 } }],
  ])('goes to one of them, and the others ask: it %s', async (_, profile) => {
    await open(profile);
    const [answers, requests] = await outcomes([call(), call(), call()]);
    expect(answers.every((answer) => answer.startsWith('200'))).toBe(true);
    expect(requests).toBe(3);
  });
});

describe('a caller who gives up', () => {
  it('leaves the others what they wait for, also when it was the first', async () => {
    const { clock } = await open({ headers: sized(16) });
    const impatient = call({ signal: AbortSignal.abort() });
    const first = new AbortController();
    const calls = [call({ signal: first.signal }), call()];
    await clock.advance(5);
    first.abort(new Error('enough'));
    const [answers, requests] = await outcomes([impatient, ...calls]);
    expect(answers.slice(2)).toEqual(['200 16']);
    expect(requests).toBe(1);
  });

  it('ends the request when nobody else waits for it', async () => {
    const { clock, endpoints } = await open({ headers: sized(16), latency: 10_000 });
    const controller = new AbortController();
    const calls = [call({ signal: controller.signal }), call({ signal: controller.signal })];
    await clock.advance(5);
    controller.abort();
    await Promise.all(calls);
    await clock.advance(0);
    expect(Object.values(endpoints()).map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });

  it('has a time limit of its own: the others are sent anew, together', async () => {
    const slow = latency.overTime((now) => (now < 15 ? 1_000 : 5));
    const { clock } = await open({ headers: sized(16), latency: slow }, { timeout: '20ms' });
    const first = call();
    await clock.advance(10);
    expect(await outcomes([first, call(), call()])).toEqual([['INMESH_TIMEOUT', '200 16', '200 16'], 2]);
  });

  it('has a deadline of its own for the body too, whatever is left to the first', async () => {
    const { clock } = await open({ headers: sized(16), latency: 20, body: { chunks: 4, everyMs: 10 } });
    const first = inboundContext.run(new InboundContext(clock.now() + 40, false, [], undefined), () => call());
    expect(await outcomes([first, call()])).toEqual([['INMESH_DEADLINE', '200 16'], 1]);
  });

  it('is never sent again at its deadline, also below a cache', async () => {
    const headers = { 'cache-control': 'max-age=0', etag: '"1"' };
    const { mesh, clock, network } = await open({ headers }, { cache: true, timeout: '1s', headTimeout: false });
    const other = () => mesh.request('http://reviews/x', { method: 'POST' });
    for (const request of [call(), other()]) {
      await clock.advance(100);
      await request;
    }
    network.received.length = 0;
    for (const address of [a, b]) network.setProfile(address, { faults: [{ kind: 'stall' }] });
    await clock.advance(2);
    const [answers, requests] = await outcomes([call({ mesh: { idempotent: false } })], 3_000);
    expect([answers, requests]).toEqual([['INMESH_TIMEOUT'], 1]);
  });

  it('does not make later callers wait for a request that stalls', async () => {
    const { clock } = await open({ headers: sized(16), faults: [{ kind: 'stall', untilMs: 5 }] }, { timeout: '3s' });
    const calls: Promise<string>[] = [];
    for (let second = 0; second < 60; second++) {
      calls.push(call());
      await clock.advance(1_000);
    }
    const [answers] = await outcomes(calls, 5_000);
    expect(answers.filter((answer) => answer !== '200 16')).toEqual(['INMESH_TIMEOUT']);
  });

  it('is not told to share what others ask for in another way', async () => {
    await open({ headers: sized(16), faults: [{ kind: 'status', status: 503, untilMs: 15 }] });
    const calls = [call({ mesh: { retries: false } }), call({ mesh: { retries: 3 } })];
    expect((await outcomes(calls, 1_000))[0]).toEqual(['503 16', '200 16']);
  });

  it('is followed by a caller who is answered anew', async () => {
    const { clock } = await open({ headers: sized(16) });
    const controller = new AbortController();
    const left = call({ signal: controller.signal });
    await clock.advance(5);
    controller.abort();
    const [answers] = await outcomes([left, call()]);
    expect(answers[1]).toBe('200 16');
  });
});

describe('coalescing', () => {
  it('is off unless asked for, and can be asked for by one call', async () => {
    await open({ headers: sized(16) }, { coalesce: false });
    expect((await outcomes([call(), call()]))[1]).toBe(2);
    const shared = { mesh: { coalesce: true } };
    expect((await outcomes([call(shared), call(shared)]))[1]).toBe(3);
  });

  it('gives nobody a body that another can change', async () => {
    const { mesh, clock } = await open({ headers: sized(16) });
    const requests = [mesh.request('http://reviews/'), mesh.request('http://reviews/')];
    await clock.advance(20);
    const [first, second] = await Promise.all(requests);
    const bytes = new Uint8Array(await (first as NonNullable<typeof first>).body.arrayBuffer());
    const before = bytes[0];
    bytes.fill(0);
    const others = new Uint8Array(await (second as NonNullable<typeof second>).body.arrayBuffer());
    expect(others[0]).toBe(before);
    expect(before).not.toBe(0);
  });
});
