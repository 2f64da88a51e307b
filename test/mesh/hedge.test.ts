import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { MeshRequestOptions } from '../../src/adapters/request.ts';
import type { EndpointProfile } from '../../src/testing/endpoint-profile.ts';
import { codeOf } from './code-of.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const [a, b, c] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'] as const;

let virtual: VirtualMesh;
afterEach(() => virtual.close());

const policy: TrafficPolicy = {
  loadBalancer: { simple: 'ROUND_ROBIN' },
  hedge: { maxExtraLoad: 10 },
  retries: { max: 0 },
};

async function open(trafficPolicy = policy, addresses: readonly string[] = [a, b]) {
  virtual = await virtualMesh({ services: [reviews(addresses, trafficPolicy)] }, { defaultProfile: { latency: 10 } });
  return virtual;
}

function call(options: MeshRequestOptions = {}): Promise<number | string> {
  return virtual.mesh.request('http://reviews/', options).then(async ({ statusCode, body }) => {
    await body.dump();
    return statusCode;
  }, codeOf);
}

/** Lets the mesh learn that answers take 10 ms. */
async function learn(): Promise<void> {
  for (let round = 0; round < 30; round++) {
    const calls = Promise.all(Array.from({ length: 10 }, () => call()));
    await virtual.clock.advance(10);
    await calls;
  }
  await virtual.clock.advance(3_000);
  const last = call();
  await virtual.clock.advance(10);
  await last;
}

function behave(profiles: Readonly<Record<string, EndpointProfile>>): void {
  for (const [address, profile] of Object.entries(profiles)) virtual.network.setProfile(address, profile);
}

/** The endpoints that got a request since the last time. */
function asked(): string[] {
  return virtual.network.received
    .splice(0)
    .map(({ endpoint }) => endpoint)
    .sort();
}

async function metric(name: string): Promise<string | undefined> {
  const registry = new PrometheusRegistry();
  virtual.mesh.metrics.attach(registry);
  return new RegExp(`^${name}\\{service="reviews"\\} (.*)$`, 'm').exec(await registry.metrics())?.[1];
}

describe('a call that takes long', () => {
  it('is answered by another endpoint, and the first is given up', async () => {
    const { clock, endpoints } = await open();
    await learn();
    asked();
    behave({ [a]: { latency: 1_000 }, [b]: { latency: 10 } });
    const calls = [call(), call()];
    await clock.advance(25);
    expect(await Promise.all(calls)).toEqual([200, 200]);
    expect(asked()).toEqual([a, b, b]);
    expect(endpoints()).toEqual({ [a]: { healthy: true, inFlight: 0 }, [b]: { healthy: true, inFlight: 0 } });
    expect([await metric('inmesh_hedges_total'), await metric('inmesh_hedges_won_total')]).toEqual(['1', '1']);
  });

  it('takes the first answer when that comes first after all', async () => {
    const { clock } = await open();
    await learn();
    behave({ [a]: { latency: 20 }, [b]: { latency: 20 } });
    asked();
    const one = call();
    await clock.advance(20);
    expect(await one).toBe(200);
    expect(asked()).toHaveLength(2);
    expect([await metric('inmesh_hedges_total'), await metric('inmesh_hedges_won_total')]).toEqual(['1', '0']);
  });

  it('waits for the other when one fails, and fails when both do', async () => {
    const { clock } = await open();
    await learn();
    behave({ [a]: { latency: 30, status: 503 }, [b]: { latency: 30 } });
    const both = [call(), call()];
    await clock.advance(60);
    expect(await Promise.all(both)).toEqual([200, 200]);
    behave({ [a]: { latency: 30, status: 503 }, [b]: { latency: 30, status: 500 } });
    const failing = call();
    await clock.advance(60);
    expect([500, 503]).toContain(await failing);
  });

  it('counts no win for a hedge that fails as well, and is not taken for never sent', async () => {
    const { clock } = await open({
      ...policy,
      retries: { max: 2 },
      retryBudget: { percent: 0, minRetriesPerSecond: 1 },
    });
    await learn();
    behave({
      [a]: { latency: 30, faults: [{ kind: 'reset-before-head' }] },
      [b]: { latency: 30, faults: [{ kind: 'reset-before-head' }] },
    });
    asked();
    const failing = call();
    await clock.advance(200);
    expect(await failing).toBe('INMESH_RESET');
    expect(asked()).toHaveLength(2);
    expect([await metric('inmesh_hedges_total'), await metric('inmesh_hedges_won_total')]).toEqual(['1', '0']);
  });

  it.each<[string, MeshRequestOptions]>([
    ['is not idempotent', { method: 'POST', body: 'x' }],
    [
      'has a body that cannot be sent again',
      {
        method: 'PUT',
        body: (async function* () {
          yield Buffer.alloc(100_000);
        })(),
      },
    ],
    ['says so', { mesh: { hedge: false } }],
  ])('is not sent twice when it %s', async (_what, options) => {
    const { clock } = await open();
    await learn();
    behave({ [a]: { latency: 100 }, [b]: { latency: 100 } });
    asked();
    const one = call(options);
    await clock.advance(150);
    await one;
    expect(asked()).toHaveLength(1);
  });

  it('is not sent twice where there is no other endpoint', async () => {
    const { clock } = await open(policy, [a]);
    await learn();
    behave({ [a]: { latency: 100 } });
    asked();
    const one = call();
    await clock.advance(100);
    expect([await one, asked()]).toEqual([200, [a]]);
  });

  it('is sent twice when it asks for that itself, of a service that says nothing', async () => {
    const { clock, mesh } = await open({ loadBalancer: { simple: 'ROUND_ROBIN' } });
    const hedged = mesh.with({ hedge: true });
    for (let round = 0; round < 200; round++) {
      const one = hedged.request('http://reviews/').then(({ body }) => body.dump());
      await clock.advance(20);
      await one;
    }
    behave({ [a]: { latency: 500 }, [b]: { latency: 500 } });
    asked();
    const one = hedged.request('http://reviews/').then(({ body }) => body.dump());
    await clock.advance(600);
    await one;
    expect(asked()).toEqual([a, b]);
  });

  it('ends at once with both attempts when the caller gives up, and leaves nothing', async () => {
    const { clock, endpoints } = await open();
    await learn();
    behave({ [a]: { latency: 1_000 }, [b]: { latency: 1_000 } });
    const controller = new AbortController();
    const given = virtual.mesh.request('http://reviews/', { signal: controller.signal }).catch(String);
    await clock.advance(50);
    controller.abort('enough');
    expect(await given).toBe('enough');
    expect(Object.values(endpoints()).map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });

  it('has its time limit over both attempts', async () => {
    const { clock } = await open();
    await learn();
    behave({ [a]: { latency: 1_000 }, [b]: { latency: 1_000 } });
    const one = call({ mesh: { timeoutMs: 100 } });
    await clock.advance(100);
    expect(await one).toBe('INMESH_TIMEOUT');
  });

  it('does not condemn the endpoint whose answer came too late', async () => {
    const { clock, endpoints } = await open({ ...policy, outlierDetection: { consecutiveLocalOriginFailures: 1 } });
    await learn();
    behave({ [a]: { latency: 1_000 }, [b]: { latency: 10 } });
    const calls = Array.from({ length: 10 }, () => call());
    await clock.advance(2_000);
    await Promise.all(calls);
    expect(endpoints()[a]).toMatchObject({ healthy: true });
  });
});

describe('hedges', () => {
  it('never add more than their share, also when everything becomes ten times slower at once', async () => {
    const { clock } = await open({ ...policy, loadBalancer: { simple: 'RANDOM' } }, [a, b, c]);
    await learn();
    behave(Object.fromEntries([a, b, c].map((address) => [address, { latency: 100 }])));
    asked();
    const calls: Promise<unknown>[] = [];
    for (let ms = 0; ms < 2_000; ms += 2) {
      calls.push(call());
      await clock.advance(2);
    }
    await clock.advance(300);
    await Promise.all(calls);
    const sent = asked().length;
    expect(sent).toBeGreaterThan(1_000);
    expect(sent).toBeLessThanOrEqual(1_100 + 2);
  });

  it('are kept for a call that is late still, when many that are about to be answered ask first', async () => {
    const { clock } = await open();
    await learn();
    behave({ [a]: { latency: 15 }, [b]: { latency: 15 } });
    const burst = Array.from({ length: 100 }, () => call());
    await clock.advance(16);
    await Promise.all(burst);
    behave({ [a]: { latency: 1_000 }, [b]: { latency: 5 } });
    const calls = Promise.all([call(), call()]);
    let answered = false;
    void calls.then(() => {
      answered = true;
    });
    await clock.advance(40);
    expect(answered).toBe(true);
    expect(await calls).toEqual([200, 200]);
  });

  it('are refused in a document beyond their range', async () => {
    const { registry } = await open();
    const verdict = await (registry as unknown as { setDocument(document: unknown): Promise<unknown> }).setDocument({
      services: [reviews([a], { hedge: { maxExtraLoad: 60 } })],
    });
    expect(verdict).toMatchObject({
      accepted: false,
      problems: [expect.stringContaining('hedge.maxExtraLoad: is 60; allowed: a number from 0.1 to 50 (percent)')],
    });
  });
});
