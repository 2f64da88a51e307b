import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile.ts';
import type { MeshDocument } from '../../src/config/schema.ts';

type Policy = NonNullable<NonNullable<MeshDocument['services']>[number]['trafficPolicy']>;

async function serviceWith(trafficPolicy: Policy) {
  const result = await compile([{ name: 'inline', value: { services: [{ host: 'a', trafficPolicy }] } }]);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result.config.services.get('a');
}

async function problemsOf(policy: string): Promise<readonly string[]> {
  const result = await compile([{ name: 'a.yaml', text: `services: [{ host: a, trafficPolicy: { ${policy} } }]` }]);
  return result.ok ? [] : result.problems;
}

describe('the health of endpoints in a document', () => {
  it('is watched by failures in a row and refused connections alone, unless more is asked for', async () => {
    expect(await serviceWith({})).toMatchObject({
      outlier: { successRate: undefined, failurePercentage: undefined, latency: undefined },
      failFast: true,
      healthCheck: undefined,
      loadBalancer: { warmup: undefined },
    });
    expect(await serviceWith({ outlierDetection: { disabled: true } })).toMatchObject({
      outlier: undefined,
      failFast: false,
    });
  });

  it('has defaults for each criterion that is named', async () => {
    const outlierDetection = { successRate: {}, failurePercentage: {}, latency: {} };
    expect((await serviceWith({ outlierDetection }))?.outlier).toMatchObject({
      successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9 },
      failurePercentage: { threshold: 85, minimumHosts: 5, requestVolume: 50 },
      latency: { factor: 3, minimumMs: 200, requestVolume: 20 },
    });
  });

  it('reads a jitter of 0', async () => {
    const jitterOf = async (jitter: string) =>
      (await serviceWith({ healthCheck: { tcp: {}, jitter } }))?.healthCheck?.jitterMs;
    expect([await jitterOf('0s'), await jitterOf('0.0ms'), await jitterOf('20ms')]).toEqual([0, 0, 20]);
  });

  it('has defaults for checks and warm-up', async () => {
    const rest = { intervalMs: 5_000, timeoutMs: 1_000, jitterMs: 500, healthyThreshold: 2, unhealthyThreshold: 3 };
    expect((await serviceWith({ healthCheck: { tcp: {} } }))?.healthCheck).toEqual({ http: undefined, ...rest });
    expect((await serviceWith({ healthCheck: { http: { path: '/' } } }))?.healthCheck).toEqual({
      http: { path: '/', expectedStatuses: undefined },
      ...rest,
    });
    expect((await serviceWith({ loadBalancer: { warmup: { duration: '30s' } } }))?.loadBalancer.warmup).toEqual({
      durationMs: 30_000,
      minimumPercent: 10,
      aggression: 1,
    });
  });

  it.each([
    ['healthCheck: {}', 'one of http and tcp'],
    ['healthCheck: { http: { path: / }, tcp: {} }', 'one of http and tcp'],
    ['healthCheck: { http: { path: healthz } }', 'a path such as /healthz'],
    ['healthCheck: { http: { path: / , expectedStatuses: [] } }', 'a list with at least one item'],
    ['outlierDetection: { latency: { factor: 1 } }', 'a number from 1.1 to 1000'],
    ['outlierDetection: { latency: { requestVolume: 257 } }', 'an integer from 4 to 256'],
    ['outlierDetection: { successRate: { minimumHosts: 1 } }', 'an integer from 2 to 1000000'],
    ['outlierDetection: { failurePercentage: { threshold: 0 } }', 'a number from 1 to 100 (percent)'],
    ['loadBalancer: { warmup: { duration: 30s }, consistentHash: { path: true } }', 'one of warmup and consistentHash'],
    ['loadBalancer: { warmup: { duration: 30s, aggression: 0 } }', 'a number from 0.1 to 10'],
  ])('is refused with what is allowed: %s', async (policy, allowed) => {
    const [problem, ...others] = await problemsOf(policy);
    expect(problem).toMatch(/^a\.yaml:1:\d+: services\[0\]\.trafficPolicy\./);
    expect(problem).toContain(`allowed: ${allowed}`);
    expect(others).toEqual([]);
  });
});
