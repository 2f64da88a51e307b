import { noop } from 'cockatiel';
import { afterEach, describe, expect, it } from 'vitest';
import type { MeshDocument } from '../../src/config/schema.ts';
import { resolveCallOptions } from '../../src/core/call-options.ts';
import { seededRandom } from '../../src/core/random.ts';
import { createEngine, type EngineHandle } from '../../src/mesh/create-engine.ts';
import type { RoutePlan } from '../../src/mesh/route-plan.ts';
import { FakeNetwork } from '../../src/testing/fake-network.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { codeOf } from './code-of.ts';
import { reviews, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const [a, b] = ['10.0.0.1:80', '10.0.0.2:80'] as const;
const breaker = { consecutiveErrors: 1, openTime: '60s' };
const toReviews = [{ destination: { host: 'reviews' } }];

type Rule = NonNullable<MeshDocument['routes']>[number]['http'][number];

let handle: EngineHandle | undefined;
let virtual: VirtualMesh | undefined;
afterEach(async () => {
  await handle?.engine.configuration.close();
  await handle?.closeParts();
  await virtual?.close();
  handle = undefined;
  virtual = undefined;
});

/** The plan of `GET http://host/path` under a document. */
async function planner(registry: MeshDocument) {
  const clock = new VirtualClock();
  const network = new FakeNetwork({ clock, random: seededRandom(1) });
  const options = { service: 'productpage', registry, clock, random: seededRandom(1) };
  const opened = await createEngine(options, { connect: network.connect });
  handle = opened;
  return (host: string, path = '/') => opened.engine.configuration.plan(host, 'GET', path, []) as RoutePlan;
}

function rules(...http: Rule[]): MeshDocument {
  return { services: [reviews([a])], routes: [{ hosts: ['reviews'], http }] };
}

describe('a plan', () => {
  it('has the layers of a call in their order, and none that is off', async () => {
    const plan = (await planner({ services: [reviews([a])] }))('reviews');
    expect(plan.stackFor(plan.options).roles).toEqual(['active', 'telemetry', 'deadline', 'retry']);
  });

  it('has the breakers of the service and of the rule, in this order, above the retry', async () => {
    const plan = (
      await planner({
        services: [reviews([a], { circuitBreaker: { errorPercent: 10 } })],
        routes: [{ hosts: ['reviews'], http: [{ route: toReviews, circuitBreaker: breaker }] }],
      })
    )('reviews');
    expect(plan.stackFor(plan.options).roles).toEqual([
      'active',
      'telemetry',
      'deadline',
      'breaker',
      'breaker',
      'retry',
    ]);
  });

  it('has a variant of its stack for each set of features that calls ask for, composed once', async () => {
    const plan = (await planner({ services: [reviews([a])] }))('reviews');
    const with_ = (overrides: object) => plan.stackFor(resolveCallOptions(plan.options, overrides));
    const fallback = () => 'x';
    expect(with_({ policy: noop, fallback }).roles).toEqual([
      'active',
      'policy',
      'telemetry',
      'fallback',
      'deadline',
      'retry',
    ]);
    expect(with_({ policy: noop, fallback })).toBe(with_({ policy: noop, fallback: () => 'y', timeoutMs: 1 }));
    expect(with_({ timeoutMs: 1 })).toBe(plan.stackFor(plan.options));
    expect(new Set([{}, { policy: noop }, { fallback }, { policy: noop, fallback }].map(with_)).size).toBe(4);
  });

  it('is made once for each destination of each rule', async () => {
    const plan = await planner(
      rules({ match: [{ uri: { prefix: '/a' } }], route: toReviews }, { name: 'rest', route: toReviews }),
    );
    expect(plan('reviews', '/a/1')).toBe(plan('reviews', '/a/2'));
    expect(plan('reviews', '/a')).not.toBe(plan('reviews', '/b'));
    expect([plan('reviews', '/a').rule?.name, plan('reviews', '/b').rule?.name]).toEqual(['http[0]', 'rest']);
  });

  it('has the options of the rule over those of the service over those of the mesh', async () => {
    const { options } = (
      await planner({
        services: [reviews([a], { timeout: '3s', headTimeout: '2s', retries: { max: 5, retryOn: '503' } })],
        routes: [{ hosts: ['reviews'], http: [{ route: toReviews, headTimeout: '1s', retries: { max: 1 } }] }],
      })
    )('reviews');
    expect(options).toMatchObject({ timeoutMs: 3_000, headTimeoutMs: 1_000, bodyIdleMs: 30_000, retry: { max: 1 } });
    expect([...options.retry.on]).toEqual(['503']);
  });
});

describe('the subset of a call', () => {
  const subsets = ['v1', 'v2'].map((version) => ({ name: version, labels: { version } }));
  const endpoints = [
    { address: a, labels: { version: 'v1' } },
    { address: b, labels: { version: 'v2' } },
  ];
  const document: MeshDocument = {
    services: [{ host: 'reviews', endpoints, subsets }],
    routes: [
      { hosts: ['reviews'], http: [{ timeout: '9s', route: [{ destination: { host: 'reviews', subset: 'v1' } }] }] },
    ],
  };

  it('is that of the route unless the call names another', async () => {
    virtual = await virtualMesh(document);
    const { mesh, clock, network } = virtual;
    const replies = [mesh.request('http://reviews/1'), mesh.with({ subset: 'v2' }).request('http://reviews/2')];
    await clock.advance(5);
    await Promise.all(replies);
    expect(network.received.map(({ path, endpoint }) => [path, endpoint])).toEqual([
      ['/1', a],
      ['/2', b],
    ]);
    expect(network.attempts.map(({ options }) => options.timeoutMs)).toEqual([9_000, 9_000]);
  });

  it('has to be one of the service', async () => {
    virtual = await virtualMesh(document);
    const { mesh } = virtual;
    const error = await mesh.request('http://reviews/', { mesh: { subset: 'v3' } }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'INMESH_NO_ENDPOINT',
      message: 'reviews has no subset v3',
      service: 'reviews',
    });
  });
});

describe('the circuit breaker of a rule', () => {
  const failing = { defaultProfile: { latency: 1, status: 500 } };

  async function open(document: MeshDocument) {
    const opened = await virtualMesh(document, failing);
    virtual = opened;
    return {
      ...opened,
      async call(url: string): Promise<number | string> {
        const reply = opened.mesh.request(url, { mesh: { retries: false } });
        const settled = reply.then(({ statusCode }) => statusCode, codeOf);
        await opened.clock.advance(1);
        return settled;
      },
    };
  }

  const guarded: Rule = {
    name: 'guarded',
    match: [{ uri: { prefix: '/guarded' } }],
    route: toReviews,
    circuitBreaker: breaker,
  };

  it('refuses the calls of its rule alone', async () => {
    const { call } = await open(rules(guarded, { route: toReviews }));
    expect(await call('http://reviews/guarded')).toBe(500);
    expect(await call('http://reviews/guarded')).toBe('INMESH_CIRCUIT_OPEN');
    expect(await call('http://reviews/')).toBe(500);
  });

  it('stays open over a reload that leaves it as it is, and is new when it changed', async () => {
    const { call, registry } = await open(rules(guarded, { route: toReviews }));
    await call('http://reviews/guarded');
    await registry.setDocument(
      rules({ route: toReviews, match: [{ uri: { exact: '/' } }] }, { ...guarded, timeout: '1s' }),
    );
    expect(await call('http://reviews/guarded')).toBe('INMESH_CIRCUIT_OPEN');
    await registry.setDocument(rules({ ...guarded, circuitBreaker: { ...breaker, openTime: '61s' } }));
    expect(await call('http://reviews/guarded')).toBe(500);
  });

  it('is forgotten with its rule', async () => {
    const { call, registry } = await open(rules(guarded));
    await call('http://reviews/guarded');
    await registry.setDocument(rules({ route: toReviews }));
    await registry.setDocument(rules(guarded));
    expect(await call('http://reviews/guarded')).toBe(500);
  });

  it('is not that of a rule of the same name for another host', async () => {
    const rule: Rule = { route: toReviews, circuitBreaker: breaker };
    const { call } = await open({
      services: [reviews([a])],
      routes: [
        { hosts: ['one', 'uno'], http: [rule] },
        { hosts: ['two'], http: [rule] },
      ],
    });
    expect(await call('http://one/')).toBe(500);
    expect([await call('http://one/'), await call('http://uno/')]).toEqual([
      'INMESH_CIRCUIT_OPEN',
      'INMESH_CIRCUIT_OPEN',
    ]);
    expect(await call('http://two/')).toBe(500);
  });

  it('ends the retries of a call once it is open', async () => {
    const { mesh, clock, network } = await open(rules(guarded));
    const first = mesh.request('http://reviews/guarded', { mesh: { retries: 0 } });
    await clock.advance(0);
    const second = mesh.request('http://reviews/guarded', { mesh: { retries: 5 } });
    await clock.advance(1_000);
    expect([(await first).statusCode, (await second).statusCode]).toEqual([500, 500]);
    expect(network.received).toHaveLength(2);
  });
});

describe('a request that no rule matches', () => {
  it('is INMESH_NO_ROUTE, whatever the service could do', async () => {
    virtual = await virtualMesh(rules({ match: [{ method: { exact: 'POST' } }], route: toReviews }));
    expect(await virtual.mesh.request('http://reviews/').catch(codeOf)).toBe('INMESH_NO_ROUTE');
  });
});
