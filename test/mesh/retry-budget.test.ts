import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { codeOf } from './code-of.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

let virtual: VirtualMesh;
afterEach(() => virtual.close());

async function open(retryBudget: TrafficPolicy['retryBudget'] = {}) {
  const addresses = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'];
  const policy: TrafficPolicy = { outlierDetection: { disabled: true }, retryBudget };
  virtual = await virtualMesh(
    { services: [reviews(addresses, policy)] },
    { defaultProfile: { latency: 1, status: 503 }, defaults: { retries: 2 } },
  );
  return virtual;
}

/** Makes calls at an even pace for two seconds, and gives what the servers saw of each kind. */
async function load(perSecond: number, url = 'http://reviews/', overrides = {}): Promise<(number | string)[]> {
  const results: Promise<number | string>[] = [];
  for (let made = 0; made < perSecond * 2; made++) {
    const reply = virtual.mesh.request(url, { mesh: overrides });
    results.push(reply.then(({ statusCode }) => statusCode, codeOf));
    await virtual.clock.advance(1000 / perSecond);
  }
  await virtual.clock.advance(2_000);
  return Promise.all(results);
}

function retries(): number {
  return virtual.network.received.filter(({ attempt }) => attempt > 1).length;
}

describe('the retry budget of a service', () => {
  it('adds a fifth to the calls at most when everything fails, and the callers get the reply of the service', async () => {
    await open();
    const results = await load(100);
    expect(new Set(results)).toEqual(new Set([503]));
    expect(retries()).toBeGreaterThan(20);
    expect(retries()).toBeLessThanOrEqual(0.2 * results.length + 10);
  });

  it('lets a minimum through at low rates', async () => {
    await open({ percent: 0, minRetriesPerSecond: 3 });
    await load(10);
    expect(retries()).toBeGreaterThanOrEqual(3);
    expect(retries()).toBeLessThanOrEqual(9);
  });

  it('of nothing makes no retry', async () => {
    await open({ percent: 0, minRetriesPerSecond: 0 });
    await load(20);
    expect(retries()).toBe(0);
  });

  it('is told in the metrics when it is used up', async () => {
    await open({ percent: 0, minRetriesPerSecond: 0 });
    await load(10);
    const prometheus = new PrometheusRegistry();
    virtual.mesh.metrics.attach(prometheus);
    const text = await prometheus.metrics();
    expect(text).toContain('inmesh_retry_budget_exhausted_total{service="reviews"} 20');
    expect(text).toContain('inmesh_retries_total{service="reviews"} 0');
  });

  it('is shared by all ways to the service', async () => {
    const addresses = ['10.0.0.1:80', '10.0.0.2:80'];
    const policy: TrafficPolicy = {
      outlierDetection: { disabled: true },
      retryBudget: { percent: 10, minRetriesPerSecond: 0 },
    };
    const route = [{ destination: { host: 'reviews' } }];
    virtual = await virtualMesh(
      {
        services: [{ ...reviews(addresses, policy), subsets: [{ name: 'all', labels: {} }] }],
        routes: [{ hosts: ['reviews', 'other'], http: [{ match: [{ uri: { exact: '/a' } }], route }, { route }] }],
      },
      { defaultProfile: { latency: 1, status: 503 }, defaults: { retries: 2 } },
    );
    const loads = [
      load(20),
      load(20, 'http://reviews/a'),
      load(20, 'http://other/'),
      load(20, 'http://reviews/', { subset: 'all' }),
    ];
    const made = (await Promise.all(loads)).flat();
    expect(retries()).toBeGreaterThan(0);
    expect(retries()).toBeLessThanOrEqual(0.1 * made.length);
  });
});
