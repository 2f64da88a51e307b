import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { MemoryRegistry } from '../../src/discovery/memory-registry.ts';
import { codeOf } from './code-of.ts';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

let virtual: VirtualMesh<MemoryRegistry>;
afterEach(() => virtual.close());

async function open(trafficPolicy: TrafficPolicy, latency = 50) {
  virtual = await virtualMesh({ services: [reviews(['10.0.0.1:80'], trafficPolicy)] }, { defaultProfile: { latency } });
  return virtual;
}

function calls(count: number): Promise<(number | string)[]> {
  return Promise.all(
    Array.from({ length: count }, () =>
      virtual.mesh.request('http://reviews/').then(async ({ statusCode, body }) => {
        await body.dump();
        return statusCode;
      }, codeOf),
    ),
  );
}

async function metric(name: string): Promise<string | undefined> {
  const registry = new PrometheusRegistry();
  const detach = virtual.mesh.metrics.attach(registry);
  const text = await registry.metrics();
  detach();
  return new RegExp(`^${name}\\{service="reviews"\\} (.*)$`, 'm').exec(text)?.[1];
}

const two = { minLimit: 2, initialLimit: 2, maxLimit: 2 };

describe('an adaptive limit', () => {
  it('turns calls away at once that the service has no room for, and lets others in when calls are over', async () => {
    const { clock } = await open({ adaptiveConcurrency: two });
    const first = calls(3);
    await clock.advance(50);
    expect((await first).sort()).toEqual([200, 200, 'INMESH_OVERFLOW']);
    const second = calls(2);
    await clock.advance(50);
    expect(await second).toEqual([200, 200]);
    expect([await metric('inmesh_adaptive_limit'), await metric('inmesh_adaptive_limit_refusals_total')]).toEqual([
      '2',
      '1',
    ]);
  });

  it('lets all in and counts them in dark mode', async () => {
    const { clock } = await open({ adaptiveConcurrency: { ...two, darkMode: true } });
    const answers = calls(5);
    await clock.advance(50);
    expect(await answers).toEqual([200, 200, 200, 200, 200]);
    expect(await metric('inmesh_adaptive_limit_refusals_total')).toBe('3');
  });

  it('holds a place until the body has ended, or the call was given up', async () => {
    const { clock, mesh } = await open({ adaptiveConcurrency: { ...two, initialLimit: 2 } });
    const controller = new AbortController();
    const given = mesh.request('http://reviews/', { signal: controller.signal }).catch(String);
    const reading = mesh.request('http://reviews/');
    controller.abort('enough');
    expect(await given).toBe('enough');
    await clock.advance(50);
    const { body } = await reading;
    await body.dump();
    const answers = calls(2);
    await clock.advance(50);
    expect(await answers).toEqual([200, 200]);
  });

  it('keeps what it has learnt over a change of something else', async () => {
    const { clock, registry } = await open({ adaptiveConcurrency: { initialLimit: 10 } });
    for (let round = 0; round < 60; round++) {
      const answers = calls(10);
      await clock.advance(50);
      await answers;
    }
    const learnt = await metric('inmesh_adaptive_limit');
    expect(Number(learnt)).toBeGreaterThan(10);
    const policy = { adaptiveConcurrency: { initialLimit: 10 }, outlierDetection: { interval: '1s' } };
    await registry.setDocument({ services: [reviews(['10.0.0.1:80'], policy)] });
    expect(await metric('inmesh_adaptive_limit')).toBe(learnt);
    await registry.setDocument({ services: [reviews(['10.0.0.1:80'])] });
    expect(await metric('inmesh_adaptive_limit')).toBeUndefined();
  });

  it.each([
    [{ minLimit: 9, maxLimit: 3 }, 'adaptiveConcurrency.maxLimit: is 3; allowed: at least minLimit 9'],
    [{ initialLimit: 9, maxLimit: 3 }, 'adaptiveConcurrency.initialLimit: is 9; allowed: at most maxLimit 3'],
    [{ initialLimit: 2, minLimit: 3 }, 'adaptiveConcurrency.initialLimit: is 2; allowed: at least minLimit 3'],
    [{ algorithm: 'RENO' }, 'allowed: VEGAS, GRADIENT2'],
  ])('of %j is refused', async (adaptiveConcurrency, message) => {
    const { registry } = await open({});
    const verdict = await registry.setDocument({
      services: [reviews(['10.0.0.1:80'], { adaptiveConcurrency } as TrafficPolicy)],
    });
    expect(verdict).toMatchObject({ accepted: false, problems: [expect.stringContaining(message)] });
  });
});
