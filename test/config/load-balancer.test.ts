import { describe, expect, it } from 'vitest';
import { hashDefaults } from '../../src/balancing/hash-options.ts';
import { loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import { compile } from '../../src/config/compile.ts';

async function compiled(loadBalancer: object) {
  const result = await compile([
    { name: 'inline', value: { services: [{ host: 'a', trafficPolicy: { loadBalancer } }] } },
  ]);
  return result.ok ? result.config.services.get('a')?.loadBalancer : result.problems;
}

const place = 'inline: services[0].trafficPolicy.loadBalancer';

describe('a load balancer of a document', () => {
  it.each([
    [{ httpHeaderName: 'X-User' }, { source: { header: 'x-user' } }],
    [{ httpCookie: { name: 'Session' } }, { source: { cookie: 'Session' } }],
    [{ httpQueryParameterName: 'user' }, { source: { queryParameter: 'user' } }],
    [{ path: true, ringHash: {} }, { source: 'path' }],
    [
      { path: true, ringHash: { minimumRingSize: 5 } },
      { source: 'path', minimumRingSize: 5 },
    ],
    [
      { path: true, hashBalanceFactor: 125 },
      { source: 'path', balanceFactorPercent: 125 },
    ],
  ])('compiles %j to a ring hash', async (consistentHash, hash) => {
    expect(await compiled({ consistentHash })).toEqual({
      ...loadBalancerDefaults,
      name: 'RING_HASH',
      hash: { ...hashDefaults, ...hash },
    });
  });

  it('compiles Maglev', async () => {
    const consistentHash = { path: true, maglev: { tableSize: 101 } };
    const hash = { ...hashDefaults, source: 'path', tableSize: 101 };
    expect(await compiled({ consistentHash, panicThreshold: 10 })).toEqual({
      ...loadBalancerDefaults,
      name: 'MAGLEV',
      panicThresholdPercent: 10,
      hash,
    });
    expect(await compiled({ consistentHash: { path: true, maglev: {} } })).toMatchObject({
      hash: { tableSize: 65_537 },
    });
  });

  it('compiles weighted round robin', async () => {
    expect(await compiled({ weightedRoundRobin: {} })).toEqual({
      ...loadBalancerDefaults,
      name: 'WEIGHTED_ROUND_ROBIN',
    });
    const given = { blackoutPeriod: false, weightExpirationPeriod: '1m', weightUpdatePeriod: '500ms' };
    expect(await compiled({ weightedRoundRobin: { ...given, errorUtilizationPenalty: 0.5 } })).toMatchObject({
      weightedRoundRobin: { blackoutMs: 0, expiryMs: 60_000, updateMs: 500, errorPenalty: 0.5 },
    });
  });

  it('compiles Prequal, with a subset', async () => {
    expect(await compiled({ prequal: {}, subsetSize: 20 })).toEqual({
      ...loadBalancerDefaults,
      name: 'PREQUAL',
      subsetSize: 20,
    });
    expect(await compiled({ prequal: { poolSize: 8, probeAge: '2s', hotQuantile: 0.6 } })).toMatchObject({
      prequal: { poolSize: 8, probeAgeMs: 2_000, hotQuantile: 0.6 },
    });
  });

  it('refuses spare connections beside a subset', async () => {
    const trafficPolicy = { loadBalancer: { subsetSize: 20 }, connectionPool: { tcp: { minIdleConnections: 1 } } };
    const result = await compile([{ name: 'inline', value: { services: [{ host: 'a', trafficPolicy }] } }]);
    expect(result).toMatchObject({
      ok: false,
      problems: [expect.stringContaining('minIdleConnections: connects to all endpoints')],
    });
  });

  it.each<[object, string, string]>([
    [{ simple: 'RANDOM', prequal: {} }, '', 'allowed: one of simple, consistentHash, weightedRoundRobin, prequal'],
    [{ consistentHash: { path: true }, subsetSize: 5 }, '', 'allowed: one of consistentHash and subsetSize'],
    [{ subsetSize: 0 }, 'subsetSize', 'allowed: an integer from 1 to 1000000'],
    [{ prequal: { poolSize: 1 } }, 'prequal.poolSize', 'allowed: an integer from 2 to 64'],
    [{ prequal: { hotQuantile: 84 } }, 'prequal.hotQuantile', 'allowed: a number from 0 to 1'],
    [{ weightedRoundRobin: { enableOobLoadReport: true } }, 'weightedRoundRobin.enableOobLoadReport', 'not supported'],
    [{ weightedRoundRobin: { blackoutPeriod: 10 } }, 'weightedRoundRobin.blackoutPeriod', 'or false for none'],
    ...['/\u0001', '/\u00fc', '/a b', '/a;b', 'a'].map((path): [object, string, string] => [
      { sessionAffinity: { cookie: { name: 's', path } } },
      'sessionAffinity.cookie.path',
      'allowed: a path from its /, of ASCII characters',
    ]),
    [
      { consistentHash: {} },
      'consistentHash',
      'allowed: one of httpHeaderName, httpCookie, httpQueryParameterName, path',
    ],
    [{ consistentHash: { path: true, httpHeaderName: 'a' } }, 'consistentHash', 'allowed: one of httpHeaderName'],
    [
      { consistentHash: { path: true, ringHash: {}, maglev: {} } },
      'consistentHash',
      'allowed: one of ringHash and maglev',
    ],
    [
      { simple: 'RANDOM', consistentHash: { path: true } },
      '',
      'allowed: one of simple, consistentHash, weightedRoundRobin, prequal',
    ],
    [{ consistentHash: { path: false } }, 'consistentHash.path', 'is false; allowed: true'],
    [
      { consistentHash: { httpHeaderName: 'x user' } },
      'consistentHash.httpHeaderName',
      'allowed: the name of a header',
    ],
    [{ consistentHash: { httpCookie: {} } }, 'consistentHash.httpCookie', 'is missing'],
    [
      { consistentHash: { path: true, maglev: { tableSize: 65_536 } } },
      'consistentHash.maglev.tableSize',
      'is 65536; allowed: a prime from 2 to 655373',
    ],
    [
      { consistentHash: { path: true, ringHash: { minimumRingSize: 2_000_000 } } },
      'consistentHash.ringHash.minimumRingSize',
      'allowed: an integer from 1 to 1048576',
    ],
    [
      { consistentHash: { path: true, hashBalanceFactor: 99 } },
      'consistentHash.hashBalanceFactor',
      'allowed: an integer from 100 to 10000',
    ],
  ])('refuses %j at its place', async (loadBalancer, field, message) => {
    const problems = (await compiled(loadBalancer)) as string[];
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(field === '' ? `${place}: ` : `${place}.${field}`);
    expect(problems[0]).toContain(message);
  });
});
