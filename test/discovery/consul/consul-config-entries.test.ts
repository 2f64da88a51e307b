import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../src/config/compile.ts';
import { translateEntries } from '../../../src/discovery/consul/consul-config-entries.ts';
import type { ConfigEntries, EntryKind, Fields } from '../../../src/discovery/consul/consul-entry.ts';

const webResolver = {
  ConnectTimeout: '1m30s',
  Kind: 'service-resolver',
  Name: 'web',
  DefaultSubset: 'v1',
  Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { Filter: '"v2" in Service.Tags', OnlyPassing: true } },
  CreateIndex: 13,
  ModifyIndex: 13,
};
const webSplitter = {
  Kind: 'service-splitter',
  Name: 'web',
  Splits: [
    { Weight: 90.5, ServiceSubset: 'v1' },
    { Weight: 9.5, ServiceSubset: 'v2' },
  ],
};
const webRouter = {
  Kind: 'service-router',
  Name: 'web',
  Routes: [
    {
      Match: { HTTP: { PathPrefix: '/x', Header: [{ Name: 'A', Exact: 'b' }], Methods: ['GET', 'PUT'] } },
      Destination: {
        RequestTimeout: '1.5s',
        Service: 'web',
        ServiceSubset: 'v2',
        Namespace: 'default',
        NumRetries: 2,
        RetryOnConnectFailure: true,
        RetryOnStatusCodes: [503],
      },
    },
    { Match: { HTTP: { PathExact: '/old' } }, Destination: { Service: 'legacy', RequestTimeout: '0s' } },
  ],
};

function entries(...given: readonly Fields[]): ConfigEntries {
  const of = (kind: EntryKind) => given.filter(({ Kind }) => Kind === kind);
  return {
    'service-defaults': of('service-defaults'),
    'service-resolver': of('service-resolver'),
    'service-splitter': of('service-splitter'),
    'service-router': of('service-router'),
  };
}

function translate(...given: readonly Fields[]) {
  return translateEntries(entries(...given), { caller: 'shop', passing: true });
}

function router(...routes: readonly object[]): Fields {
  return { Kind: 'service-router', Name: 'web', Routes: routes };
}

async function expectToCompile(document: unknown): Promise<void> {
  expect(await compile([{ name: 'config-entries', value: document }])).toMatchObject({ ok: true });
}

describe('translateEntries', () => {
  it('says what a resolver, a splitter and a router say', async () => {
    const { document, problems } = translate(webResolver, webSplitter, webRouter);
    expect(problems).toEqual([]);
    expect(document).toEqual({
      services: [
        { host: 'legacy' },
        {
          host: 'web',
          subsets: [
            { name: 'v1', labels: { version: 'v1' } },
            { name: 'v2', labels: { v2: '' } },
          ],
          trafficPolicy: { connectionPool: { tcp: { connectTimeout: '90000ms' } } },
        },
      ],
      routes: [
        {
          hosts: ['web'],
          http: [
            {
              name: 'web[0]',
              match: ['GET', 'PUT'].map((method) => ({
                uri: { prefix: '/x' },
                headers: { a: { exact: 'b' } },
                method: { exact: method },
              })),
              timeout: '1500ms',
              retries: { max: 2, retryOn: 'connect-failure,503' },
              route: [{ destination: { host: 'web', subset: 'v2' } }],
            },
            { name: 'web[1]', match: [{ uri: { exact: '/old' } }], route: [{ destination: { host: 'legacy' } }] },
            {
              name: 'web otherwise',
              route: [
                { destination: { host: 'web', subset: 'v1' }, weight: 181 },
                { destination: { host: 'web', subset: 'v2' }, weight: 19 },
              ],
            },
          ],
        },
      ],
    });
    await expectToCompile(document);
  });

  it('has no document without entries', () => {
    expect(translate()).toEqual({ document: undefined, problems: [] });
  });

  it('makes a route of a default subset and of a redirect', async () => {
    const redirect = { Kind: 'service-resolver', Name: 'old', Redirect: { Service: 'web' } };
    const { document, problems } = translate(webResolver, redirect);
    expect(problems).toEqual([]);
    expect(document?.routes).toEqual([
      { hosts: ['web'], http: [{ route: [{ destination: { host: 'web', subset: 'v1' } }] }] },
      { hosts: ['old'], http: [{ route: [{ destination: { host: 'web', subset: 'v1' } }] }] },
    ]);
    await expectToCompile(document);
  });

  it('follows splitters to splitters, once each, and multiplies their shares', async () => {
    const splitter = (Name: string, ...Splits: object[]) => ({ Kind: 'service-splitter', Name, Splits });
    const { document, problems } = translate(
      splitter('a', { Weight: 50 }, { Weight: 50, Service: 'b' }),
      splitter('b', { Weight: 75, Service: 'c' }, { Weight: 25 }),
    );
    expect(problems).toEqual([]);
    expect(document?.routes[0]).toEqual({
      hosts: ['a'],
      http: [
        {
          route: [
            { destination: { host: 'a' }, weight: 4 },
            { destination: { host: 'c' }, weight: 3 },
            { destination: { host: 'b' }, weight: 1 },
          ],
        },
      ],
    });
    await expectToCompile(document);
  });

  it('takes how connections are used from the defaults of the caller', async () => {
    const limits = { MaxConnections: 5, MaxPendingRequests: 6, MaxConcurrentRequests: 7 };
    const check = { Interval: '5s', MaxFailures: 3, MaxEjectionPercent: 40, BaseEjectionTime: '20s' };
    const { document, problems } = translate(
      {
        Kind: 'service-defaults',
        Name: 'shop',
        Protocol: 'http',
        MeshGateway: {},
        Expose: {},
        UpstreamConfig: {
          Defaults: { ConnectTimeoutMs: 700 },
          Overrides: [{ Name: 'Ratings', Limits: limits, PassiveHealthCheck: check }],
        },
      },
      {
        Kind: 'service-defaults',
        Name: 'web',
        Protocol: 'grpc',
        UpstreamConfig: { Defaults: { ConnectTimeoutMs: 1 } },
      },
    );
    const connectTimeout = '700ms';
    expect(document?.services).toEqual([
      {
        host: 'ratings',
        trafficPolicy: {
          connectionPool: { tcp: { connectTimeout }, http: { http1MaxPendingRequests: 6, http2MaxRequests: 7 } },
          outlierDetection: {
            interval: '5000ms',
            baseEjectionTime: '20000ms',
            consecutive5xxErrors: 3,
            consecutiveLocalOriginFailures: 3,
            maxEjectionPercent: 40,
          },
        },
      },
      { host: 'shop', trafficPolicy: { connectionPool: { tcp: { connectTimeout } } } },
      {
        host: 'web',
        trafficPolicy: { connectionPool: { tcp: { connectTimeout }, http: { h2UpgradePolicy: 'UPGRADE' } } },
      },
    ]);
    expect(problems).toEqual([
      'service-defaults shop: UpstreamConfig.Defaults: holds only for services that some entry names',
      'service-defaults shop: UpstreamConfig.Limits.MaxConnections: not supported',
    ]);
    await expectToCompile(document);
  });

  it.each([
    [{ LoadBalancer: { Policy: 'least_request' } }, { loadBalancer: { simple: 'LEAST_REQUEST' } }],
    [{ RequestTimeout: '2s' }, { timeout: '2000ms' }],
  ])('reads %j of a resolver', (fields, trafficPolicy) => {
    const { document, problems } = translate({ Kind: 'service-resolver', Name: 'web', ...fields });
    expect(problems).toEqual([]);
    expect(document?.services).toEqual([{ host: 'web', trafficPolicy }]);
  });

  it.each([
    ['a path by pattern', { HTTP: { PathRegex: '/a.*' } }, {}, 'Routes[0].Match.HTTP.PathRegex: not supported'],
    ['a query', { HTTP: { QueryParam: [{ Name: 'a', Present: true }] } }, {}, 'Routes[0].Match.HTTP.QueryParam'],
    ['a header that is there', { HTTP: { Header: [{ Name: 'a', Present: true }] } }, {}, 'Header[0].Present'],
    ['an inverted header', { HTTP: { Header: [{ Name: 'a', Exact: 'b', Invert: true }] } }, {}, 'Header[0].Invert'],
    [
      'two conditions of a header',
      {
        HTTP: {
          Header: [
            { Name: 'a', Exact: 'b' },
            { Name: 'A', Prefix: 'c' },
          ],
        },
      },
      {},
      'two conditions',
    ],
    ['a new path', {}, { PrefixRewrite: '/b' }, 'Routes[0].Destination.PrefixRewrite: not supported'],
    ['another namespace', {}, { Namespace: 'team' }, 'Routes[0].Destination.Namespace: only default'],
    ['a subset that nobody defines', {}, { ServiceSubset: 'v9' }, 'web has no subset v9'],
    ['something new', {}, { SomethingNew: { A: 1 } }, 'Routes[0].Destination.SomethingNew: not supported'],
    ['nonsense', { HTTP: { Methods: 'GET' } }, {}, 'is malformed'],
  ])('leaves out a router with %s', async (_, Match, Destination, problem) => {
    const { document, problems } = translate(webResolver, router({ Match, Destination }));
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems[0]).toMatch(/^service-router web: .*; the entry is left out$/);
    expect(document?.routes).toEqual([
      { hosts: ['web'], http: [{ route: [{ destination: { host: 'web', subset: 'v1' } }] }] },
    ]);
    await expectToCompile(document);
  });

  it('names what it drops of an entry that stays', async () => {
    const { document, problems } = translate(
      {
        ...webResolver,
        Failover: { '*': { Service: 'other' } },
        LoadBalancer: { Policy: 'least_request', LeastRequestConfig: { ChoiceCount: 3 } },
      },
      router({
        Destination: {
          RequestHeaders: { Add: { a: 'b' } },
          NumRetries: 50,
          RetryOn: ['5xx', 'unknown-word'],
          RetryOnStatusCodes: [0, 503],
        },
      }),
    );
    expect(problems).toEqual([
      'service-resolver web: Failover: not supported',
      'service-resolver web: LoadBalancer.LeastRequestConfig.ChoiceCount: not supported',
      'service-router web: Routes[0].Destination.RequestHeaders: not supported',
      'service-router web: Routes[0].Destination.RetryOn: unknown-word is not supported',
      'service-router web: Routes[0].Destination.RetryOnStatusCodes: 0 is not supported',
      'service-router web: Routes[0].Destination.NumRetries: more than 10 count as that',
    ]);
    expect(document?.routes[0]).toMatchObject({ http: [{ retries: { max: 10, retryOn: '5xx,503' } }, {}] });
    await expectToCompile(document);
  });

  it('leaves out a subset that labels cannot say, and what leads there', async () => {
    const Subsets = { v1: { Filter: 'Service.Meta.version != v1' }, v2: { Filter: 'v2 in Service.Tags' } };
    const { document, problems } = translate({ ...webResolver, DefaultSubset: 'v2', Subsets }, webSplitter);
    expect(problems).toEqual([
      'service-resolver web: Subsets.v1.Filter: cannot be said by labels; no such subset',
      'service-splitter web: web has no subset v1 that can be had; the entry is left out',
    ]);
    expect(document?.routes).toEqual([
      { hosts: ['web'], http: [{ route: [{ destination: { host: 'web', subset: 'v2' } }] }] },
    ]);
    await expectToCompile(document);
  });

  it('has no subset of passing instances where the address takes others too', () => {
    const { problems } = translateEntries(entries(webResolver), { caller: undefined, passing: false });
    expect(problems).toEqual([
      'service-resolver web: Subsets.v2.OnlyPassing: needs passing=true in the address; no such subset',
    ]);
  });

  it.each([
    [
      { Kind: 'service-resolver', Name: 'web', LoadBalancer: { Policy: 'ring_hash' } },
      'LoadBalancer.Policy: ring_hash',
    ],
    [{ Kind: 'service-resolver', Name: 'web', Redirect: { Datacenter: 'dc2' } }, 'Redirect.Datacenter: not supported'],
    [{ Kind: 'service-resolver', Name: 'web', Redirect: { Service: 'web' } }, 'leads in a circle'],
    [{ Kind: 'service-resolver', Name: 'web', Subsets: { '': {} } }, 'a subset has no name'],
    [{ Kind: 'service-resolver', Name: 'web', ConnectTimeout: 'soon' }, 'ConnectTimeout: no duration above 0'],
    [{ Kind: 'service-resolver', Name: 'web', Redirect: { Service: 'no host' } }, 'no host is no host name'],
    [
      {
        Kind: 'service-splitter',
        Name: 'web',
        Splits: [
          { Weight: 100, Service: 'a' },
          { Weight: 0, Service: 'b', Peer: 'x' },
        ],
      },
      'Splits[1].Peer',
    ],
    [{ Kind: 'service-splitter', Name: 'web', Splits: [] }, 'Splits: have no weight'],
    [{ Kind: 'service-splitter', Name: 'no host', Splits: [] }, 'is no host name'],
  ])('says why it leaves out %j', async (entry, problem) => {
    const { document, problems } = translate(entry);
    expect(problems.join()).toContain(problem);
    expect(document?.routes ?? []).toEqual([]);
    if (document !== undefined) await expectToCompile(document);
  });

  it('leaves out splitters that lead in a circle', async () => {
    const splitter = (Name: string, Service: string) => ({
      Kind: 'service-splitter',
      Name,
      Splits: [{ Weight: 50, Service }, { Weight: 50 }],
    });
    const { document, problems } = translate(splitter('a', 'b'), splitter('b', 'a'));
    expect(problems.join()).toContain('lead in a circle');
    await expectToCompile(document);
  });

  it('never throws, and what it makes of anything compiles', async () => {
    const odd = fc.oneof(fc.constantFrom('web', 'a', '', 'v1', 0, 50, true, null), fc.jsonValue({ maxDepth: 2 }));
    const http = fc.record(
      { PathExact: odd, PathPrefix: odd, Methods: odd, Header: fc.array(fc.record({ Name: odd, Exact: odd })) },
      { requiredKeys: [] },
    );
    const destination = fc.record(
      { Service: odd, ServiceSubset: odd, NumRetries: odd, RetryOnStatusCodes: odd },
      { requiredKeys: [] },
    );
    const routes = fc.array(fc.record({ Match: fc.record({ HTTP: http }), Destination: destination }), {
      maxLength: 3,
    });
    const splits = fc.array(fc.record({ Weight: odd, Service: odd, ServiceSubset: odd }, { requiredKeys: [] }), {
      maxLength: 3,
    });
    const entry = fc.record(
      {
        Kind: fc.constantFrom<EntryKind>('service-defaults', 'service-resolver', 'service-splitter', 'service-router'),
        Name: fc.constantFrom('web', 'a', 'b'),
        Routes: fc.oneof(routes, odd),
        Splits: fc.oneof(splits, odd),
        Subsets: fc.oneof(
          fc.constant({ v1: { Filter: 'Service.Meta.a == b' } }),
          fc.dictionary(fc.constantFrom('', 'v1'), odd),
          odd,
        ),
        DefaultSubset: odd,
        Redirect: fc.oneof(fc.record({ Service: odd }), odd),
      },
      { requiredKeys: ['Kind', 'Name'] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (given) => {
        const known = given.map((one) => withFieldsOfKind(one));
        const { document } = translate(...known);
        if (document !== undefined) await expectToCompile(document);
      }),
      { numRuns: 500 },
    );
  });
});

const fieldsOfKind: Readonly<Record<string, readonly string[]>> = {
  'service-router': ['Routes'],
  'service-splitter': ['Splits'],
  'service-resolver': ['Subsets', 'DefaultSubset', 'Redirect'],
};

function withFieldsOfKind(entry: Fields): Fields {
  const names = ['Kind', 'Name', ...(fieldsOfKind[String(entry.Kind)] ?? [])];
  return Object.fromEntries(Object.entries(entry).filter(([name]) => names.includes(name)));
}
