import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { MeshDocument } from '../../src/config/schema.ts';
import type { CallOptions } from '../../src/core/call-options.ts';
import { meshErrorOf } from '../../src/core/errors.ts';
import type { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { codeOf } from './code-of.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

let virtual: VirtualMesh<MemoryRegistry>;
afterEach(() => virtual.close());

const one = ['10.0.0.1:80'];

async function open(trafficPolicy: TrafficPolicy, defaultProfile: EndpointProfile = {}, addresses = one) {
  virtual = await virtualMesh({ services: [reviews(addresses, trafficPolicy)] }, { defaultProfile });
  return virtual;
}

/** A call, to its end. */
async function call(mesh: CallOptions = {}, url = 'http://reviews/', headers = {}): Promise<number | string> {
  const { statusCode, body } = await virtual.mesh.request(url, { mesh, headers });
  await body.dump();
  return statusCode;
}

/** What becomes of `count` calls that are made at once, counted. */
async function burst(count: number, options: CallOptions = {}, url?: string, headers = {}) {
  const calls = Array.from({ length: count }, () => call(options, url, headers).catch(codeOf));
  await virtual.clock.advance(1_000);
  const counts: Record<string, number> = {};
  for (const result of await Promise.all(calls)) counts[result] = (counts[result] ?? 0) + 1;
  return counts;
}

async function metric(name: string, labels = 'service="reviews"'): Promise<number> {
  const registry = new PrometheusRegistry();
  const detach = virtual.mesh.metrics.attach(registry);
  const text = await registry.metrics();
  detach();
  return Number(new RegExp(`^inmesh_${name}\\{${labels}\\} (.*)$`, 'm').exec(text)?.[1]);
}

const bucket = { maxTokens: 2, tokensPerFill: 1, fillInterval: '10s' };

describe('a local rate limit', () => {
  it('refuses calls beyond it, which are never sent, and says when to come back', async () => {
    const { network, clock } = await open({ localRateLimit: { tokenBucket: bucket } });
    await clock.advance(4_000);
    expect(await burst(5)).toEqual({ 200: 2, INMESH_RATE_LIMITED: 3 });
    expect(network.received).toHaveLength(2);
    const error = await call().catch(meshErrorOf);
    expect(error).toMatchObject({ code: 'INMESH_RATE_LIMITED', service: 'reviews', attempts: 0, retryAfterMs: 5_000 });
    expect(await metric('rate_limit_refusals_total')).toBe(4);
    await clock.advance(5_000);
    expect(await burst(2)).toEqual({ 200: 1, INMESH_RATE_LIMITED: 1 });
  });

  it('counts a call once, however often it is tried', async () => {
    await open({ localRateLimit: { tokenBucket: { ...bucket, maxTokens: 1 } }, retries: { max: 2 } }, { status: 503 });
    expect(await burst(1)).toEqual({ 503: 1 });
    expect(virtual.network.received).toHaveLength(3);
  });

  it('has a bucket for each value of a header', async () => {
    await open({ localRateLimit: { tokenBucket: bucket, key: { httpHeaderName: 'X-Tenant' } } });
    expect(await burst(3, {}, undefined, { 'x-tenant': 'a' })).toEqual({ 200: 2, INMESH_RATE_LIMITED: 1 });
    expect(await burst(3, {}, undefined, { 'X-Tenant': 'b' })).toEqual({ 200: 2, INMESH_RATE_LIMITED: 1 });
  });

  it('counts and refuses nothing in dark mode', async () => {
    await open({ localRateLimit: { tokenBucket: bucket, darkMode: true } });
    expect(await burst(5)).toEqual({ 200: 5 });
    expect(await metric('rate_limit_refusals_total')).toBe(3);
  });

  it('is not taken for a failure of the service by its breaker', async () => {
    await open({
      localRateLimit: { tokenBucket: bucket },
      circuitBreaker: { consecutiveErrors: 1, minRequests: 1, errorPercent: 1 },
    });
    await burst(5);
    expect(virtual.mesh.status().services[0]?.circuitBreaker).toBe('closed');
  });

  it('of a route is shared by all services that it leads to, and taken before that of the service', async () => {
    const services = ['a', 'b'].map((host) => ({
      host,
      endpoints: [{ address: `${host}:80` }],
      trafficPolicy: { localRateLimit: { tokenBucket: { ...bucket, maxTokens: 100 } } },
    }));
    const route = services.map(({ host }) => ({ destination: { host }, weight: 1 }));
    const http = [{ name: 'split', route, localRateLimit: { tokenBucket: { ...bucket, maxTokens: 6 } } }];
    virtual = await virtualMesh({ services, routes: [{ hosts: ['shop'], http }] });
    expect(await burst(20, {}, 'http://shop/')).toEqual({ 200: 6, INMESH_RATE_LIMITED: 14 });
    const refused = await Promise.all(
      ['a', 'b'].map((host) => metric('rate_limit_refusals_total', `service="${host}",route="split"`)),
    );
    expect((refused[0] ?? 0) + (refused[1] ?? 0)).toBe(14);
    expect(await burst(20, {}, 'http://a/')).toEqual({ 200: 20 });
  });

  it('keeps its tokens over a change of something else, and begins anew when it is changed', async () => {
    const { registry } = await open({ localRateLimit: { tokenBucket: bucket } });
    await burst(2);
    const change = (trafficPolicy: TrafficPolicy) => registry.setDocument({ services: [reviews(one, trafficPolicy)] });
    await change({ localRateLimit: { tokenBucket: bucket }, timeout: '3s' });
    expect(await burst(1)).toEqual({ INMESH_RATE_LIMITED: 1 });
    await change({ localRateLimit: { tokenBucket: { ...bucket, maxTokens: 3 } } });
    expect(await burst(4)).toEqual({ 200: 3, INMESH_RATE_LIMITED: 1 });
    await change({});
    expect(await burst(9)).toEqual({ 200: 9 });
  });

  it('of a rule keeps its tokens while the rule stays', async () => {
    const route = [{ destination: { host: 'reviews' } }];
    const documentOf = (timeout: string): MeshDocument => ({
      services: [reviews(one, { timeout })],
      routes: [{ hosts: ['reviews'], http: [{ route, localRateLimit: { tokenBucket: bucket } }] }],
    });
    virtual = await virtualMesh(documentOf('3s'));
    await burst(2);
    await virtual.registry.setDocument(documentOf('4s'));
    expect(await burst(1)).toEqual({ INMESH_RATE_LIMITED: 1 });
  });
});

describe('admission control', () => {
  const control = { minRequestsPerSecond: 0.1, window: '100s' };

  it('refuses calls to a service that refuses them, the less critical first, and lets all in when that is over', async () => {
    const { network, clock } = await open(
      { admissionControl: control, retries: { max: 0 }, outlierDetection: { disabled: true } },
      { status: 503 },
    );
    await burst(100);
    expect(await burst(400)).toMatchObject({ INMESH_OVERFLOW: expect.any(Number) });
    const refused = await metric('admission_refusals_total');
    expect(refused).toBeGreaterThan(280);
    expect(network.received).toHaveLength(500 - refused);
    network.setProfile('10.0.0.1:80', {});
    await clock.advance(100_000);
    expect(await burst(100)).toEqual({ 200: 100 });
  });

  it('refuses none of the critical calls while there are sheddable ones to refuse', async () => {
    await open({ admissionControl: control, retries: { max: 0 }, outlierDetection: { disabled: true } });
    const { network } = virtual;
    network.setProfile('10.0.0.1:80', { faults: [{ kind: 'status', status: 503, probability: 0.7 }] });
    for (let round = 0; round < 20; round++) await burst(10, { criticality: 'sheddable' });
    const before = await metric('admission_refusals_total');
    expect(before).toBeGreaterThan(0);
    await burst(20);
    expect(await metric('admission_refusals_total')).toBe(before);
  });

  it('counts and refuses nothing in dark mode', async () => {
    await open(
      { admissionControl: { ...control, darkMode: true }, retries: { max: 0 }, outlierDetection: { disabled: true } },
      { status: 503 },
    );
    await burst(100);
    expect(await burst(100)).toEqual({ 503: 100 });
    expect(await metric('admission_refusals_total')).toBeGreaterThan(60);
  });

  it('opens no breaker by what it refuses, and keeps what it knows over a change of something else', async () => {
    const policy: TrafficPolicy = {
      admissionControl: control,
      circuitBreaker: { consecutiveErrors: 60, errorPercent: 0 },
      retries: { max: 0 },
      outlierDetection: { disabled: true },
    };
    const { registry, network } = await open(policy, { status: 503 });
    await burst(50);
    await registry.setDocument({ services: [reviews(one, { ...policy, timeout: '30s' })] });
    network.setProfile('10.0.0.1:80', { status: 429 });
    await burst(100);
    expect(await metric('admission_refusals_total')).toBeGreaterThan(50);
    expect(virtual.mesh.status().services[0]?.circuitBreaker).toBe('closed');
  });
});

describe('a circuit breaker', () => {
  const breaker = { consecutiveErrors: 3, errorPercent: 0, openTime: '60s' };

  it('that is forced open refuses every call, however the service does', async () => {
    await open({ circuitBreaker: { forced: 'OPEN' } });
    expect(await burst(3)).toEqual({ INMESH_CIRCUIT_OPEN: 3 });
    await virtual.clock.advance(3_600_000);
    expect(await burst(1)).toEqual({ INMESH_CIRCUIT_OPEN: 1 });
    expect(virtual.mesh.status().services[0]?.circuitBreaker).toBe('open');
    expect([await metric('circuit_breaker_state'), await metric('circuit_breaker_refusals_total')]).toEqual([2, 4]);
  });

  it('that is forced closed refuses none, until its figures hold again', async () => {
    const { registry } = await open(
      { circuitBreaker: { ...breaker, forced: 'CLOSED' }, retries: { max: 0 } },
      { status: 500 },
    );
    expect(await burst(9)).toEqual({ 500: 9 });
    expect(virtual.mesh.status().services[0]?.circuitBreaker).toBe('closed');
    await registry.setDocument({ services: [reviews(one, { circuitBreaker: breaker, retries: { max: 0 } })] });
    await burst(3);
    expect(await burst(1)).toEqual({ INMESH_CIRCUIT_OPEN: 1 });
  });

  it('opens in dark mode, counts what it should refuse, and stops neither calls nor retries', async () => {
    await open({ circuitBreaker: { ...breaker, darkMode: true }, retries: { max: 1 } }, { status: 500 });
    await burst(3);
    expect(virtual.mesh.status().services[0]?.circuitBreaker).toBe('open');
    const { length } = virtual.network.received;
    expect(await burst(4)).toEqual({ 500: 4 });
    expect(virtual.network.received.length - length).toBe(8);
    expect(await metric('circuit_breaker_refusals_total')).toBe(4);
  });

  it('may be forced without figures of its own', async () => {
    await open({ circuitBreaker: { errorPercent: 0, forced: 'CLOSED' } });
    expect(await burst(1)).toEqual({ 200: 1 });
  });
});

describe('the wait for a connection', () => {
  const narrow: TrafficPolicy = {
    connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 4, pendingTimeout: '120ms' } },
  };

  it('ends when it has lasted too long, with an error that says so', async () => {
    await open(narrow, { latency: 100 });
    expect(await burst(4)).toEqual({ 200: 2, INMESH_OVERFLOW: 2 });
    expect([await metric('pending_timeouts_total'), await metric('pending_overflows_total')]).toEqual([2, 0]);
  });

  it('is not for everybody: too many are refused at once, the less critical before the others', async () => {
    await open(narrow, { latency: 100 });
    const sheddable = burst(4, { criticality: 'sheddable' });
    await sheddable;
    expect(await metric('pending_overflows_total')).toBe(1);
  });

  it('takes a change of the document for those who wait already', async () => {
    const { registry, clock } = await open({ connectionPool: { tcp: { maxConnections: 1 } } }, { latency: 1_000 });
    const calls = [call(), call().catch(codeOf)];
    await clock.advance(100);
    await registry.setDocument({ services: [reviews(one, narrow)] });
    await clock.advance(20);
    expect(await calls[1]).toBe('INMESH_OVERFLOW');
    await clock.advance(1_000);
    expect(await calls[0]).toBe(200);
  });
});

describe('an adaptive limit', () => {
  it('has less room for the less critical, and a reserve for the most critical', async () => {
    const limit = { minLimit: 8, initialLimit: 8, maxLimit: 8 };
    const admitted: unknown[] = [];
    for (const criticality of ['sheddable', 'sheddable-plus', 'critical', 'critical-plus'] as const) {
      await open({ adaptiveConcurrency: limit }, { latency: 50 });
      admitted.push((await burst(20, { criticality }))['200']);
      if (criticality !== 'critical-plus') await virtual.close();
    }
    expect(admitted).toEqual([4, 6, 8, 10]);
  });
});

describe('a server that is overloaded itself', () => {
  const headers = { 'retry-after': '1', 'x-envoy-local-overloaded': 'true' };

  it('is left for another at once, where there is one', async () => {
    await open({ loadBalancer: { simple: 'ROUND_ROBIN' } }, {}, ['10.0.0.1:80', '10.0.0.2:80']);
    virtual.network.setProfile('10.0.0.1:80', { status: 503, headers });
    const calls = Array.from({ length: 4 }, () => call({ timeoutMs: 400 }).catch(codeOf));
    await virtual.clock.advance(400);
    expect(await Promise.all(calls)).toEqual([200, 200, 200, 200]);
    expect(virtual.network.received.filter(({ endpoint }) => endpoint === '10.0.0.1:80').length).toBeGreaterThan(0);
  });

  it('is given the time that it asks for, where there is no other', async () => {
    await open({ retries: { max: 1 } }, { status: 503, headers });
    const answer = call();
    await virtual.clock.advance(999);
    expect(virtual.network.received).toHaveLength(1);
    await virtual.clock.advance(100);
    expect(await answer).toBe(503);
    expect(virtual.network.received).toHaveLength(2);
  });

  it('is not asked again for what is not idempotent: nobody knows that it did nothing', async () => {
    await open({}, { status: 503, headers }, ['10.0.0.1:80', '10.0.0.2:80']);
    const answer = virtual.mesh.request('http://reviews/', { method: 'POST' });
    await virtual.clock.advance(5_000);
    expect((await answer).statusCode).toBe(503);
    expect(virtual.network.received).toHaveLength(1);
  });
});

describe('a policy about overload', () => {
  it.each<[object, string]>([
    [{ admissionControl: { k: 1 } }, 'admissionControl.k: is 1; allowed: a number above 1, at most 1000'],
    [{ admissionControl: { maxRejectionPercent: 101 } }, 'maxRejectionPercent: is 101'],
    [{ admissionControl: { rpsThreshold: 1 } }, 'rpsThreshold: unknown field'],
    [{ localRateLimit: { tokenBucket: { maxTokens: 0, fillInterval: '1s' } } }, 'maxTokens: is 0'],
    [{ localRateLimit: { tokenBucket: { maxTokens: 1 } } }, 'fillInterval'],
    [
      { localRateLimit: { tokenBucket: { maxTokens: 2, tokensPerFill: 3, fillInterval: '1s' } } },
      'tokensPerFill: is 3; allowed: at most maxTokens 2',
    ],
    [
      { localRateLimit: { tokenBucket: { maxTokens: 1, fillInterval: '1s' }, key: { httpHeaderName: 'a b' } } },
      'a header',
    ],
    [{ localRateLimit: { tokenBucket: { maxTokens: 1, fillInterval: '1s' }, descriptors: [] } }, 'not supported yet'],
    [{ criticality: 'high' }, 'allowed: sheddable, sheddable-plus, critical, critical-plus'],
    [{ circuitBreaker: { forced: 'HALF_OPEN' } }, 'allowed: OPEN, CLOSED'],
    [{ circuitBreaker: { errorPercent: 0 } }, 'can never open'],
    [{ connectionPool: { http: { pendingTimeout: '0s' } } }, 'pendingTimeout: is "0s"'],
  ])('%j is refused', async (policy, message) => {
    const { registry } = await open({});
    const verdict = await registry.setDocument({ services: [reviews(one, policy)] });
    expect(verdict).toMatchObject({ accepted: false, problems: [expect.stringContaining(message)] });
  });
});
