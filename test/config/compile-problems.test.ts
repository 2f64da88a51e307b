import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile.ts';

async function problemsOf(...texts: string[]): Promise<readonly string[]> {
  const result = await compile(texts.map((text, index) => ({ name: `${'abc'[index]}.yaml`, text })));
  return result.ok ? [] : result.problems;
}

async function inlineProblems(value: unknown): Promise<readonly string[]> {
  const result = await compile([{ name: 'inline', value }]);
  return result.ok ? [] : result.problems;
}

describe('problems of a text', () => {
  it('names file, line, column, path, what is there and what is allowed', async () => {
    expect(
      await problemsOf('services:\n  - host: a\n    endpoints:\n      - address: 127.0.0.1\n        weight: -1\n'),
    ).toEqual([
      'a.yaml:4:18: services[0].endpoints[0].address: is "127.0.0.1"; allowed: host:port, [::1]:port or unix:/path',
      'a.yaml:5:17: services[0].endpoints[0].weight: is -1; allowed: an integer from 0 to 1000000',
    ]);
  });

  it('names positions in JSON, behind a byte order mark, and with CRLF', async () => {
    expect(await problemsOf('\ufeff{ "services": 3 }')).toEqual(['a.yaml:1:15: services: is 3; allowed: a list']);
    expect(await problemsOf('services:\r\n- host: 5\r\n')).toEqual([
      'a.yaml:2:9: services[0].host: is 5; allowed: a host name without a port, such as reviews or reviews.default.svc',
    ]);
  });

  it('tells an unknown field by its key, what is allowed, and what was meant', async () => {
    expect(await problemsOf('services:\n  - hots: a\n    host: a\n')).toEqual([
      'a.yaml:2:5: services[0].hots: unknown field; allowed: host, port, endpoints, resolution, subjectAltNames, subsets, trafficPolicy; did you mean "host"?',
    ]);
  });

  it('tells what is missing at the object that misses it', async () => {
    expect(await problemsOf('services:\n  - endpoints: []\n')).toEqual([
      'a.yaml:2:5: services[0].host: is missing; needed: a host name without a port, such as reviews or reviews.default.svc',
    ]);
  });

  it.each([
    [
      'services: [{ host: a, trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: {} } } } }]',
      'useSourceIp',
    ],
    [
      'services: [{ host: a, trafficPolicy: { loadBalancer: { consistentHash: { httpCookie: { name: a, ttl: {} } } } } }]',
      'ttl',
    ],
    ['services: [{ host: a, trafficPolicy: { connectionPool: { tcp: { tcpKeepalive: {} } } } }]', 'tcpKeepalive'],
    ['services: [{ host: a, trafficPolicy: { outlierDetection: { minHealthPercent: 1 } } }]', 'minHealthPercent'],
    ['routes: [{ hosts: [a], http: [{ mirror: {}, route: [{ destination: { host: a } }] }] }]', 'mirror'],
    ['routes: [{ hosts: [a], http: [{ fault: {}, route: [{ destination: { host: a } }] }] }]', 'fault'],
    ['routes: [{ hosts: [a], http: [{ rewrite: {}, route: [{ destination: { host: a } }] }] }]', 'rewrite'],
    ['routes: [{ hosts: [a], http: [{ redirect: {}, route: [{ destination: { host: a } }] }] }]', 'redirect'],
    ['routes: [{ hosts: [a], http: [{ route: [{ headers: {}, destination: { host: a } }] }] }]', 'headers'],
    ['routes: [{ hosts: [a], http: [{ route: [{ destination: { host: a, port: {} } }] }] }]', 'port'],
    [
      'routes: [{ hosts: [a], http: [{ match: [{ queryParams: {} }], route: [{ destination: { host: a } }] }] }]',
      'queryParams',
    ],
    [
      'routes: [{ hosts: [a], http: [{ match: [{ uri: { regex: x } }], route: [{ destination: { host: a } }] }] }]',
      'regex',
    ],
    ['policies: {}', 'policies'],
  ])('does not accept silently what nothing honours: %s', async (text, field) => {
    const problems = await problemsOf(text);
    expect(problems).toContainEqual(
      expect.stringMatching(new RegExp(`^a.yaml:1:${text.indexOf(field) + 1}: .*\\.?${field}: not supported yet$`)),
    );
  });

  it('shows the words that are allowed, and the one that was meant', async () => {
    expect(await problemsOf('outboundTrafficPolicy: { mode: REGISTRY_ONLi }')).toEqual([
      'a.yaml:1:32: outboundTrafficPolicy.mode: is "REGISTRY_ONLi"; allowed: REGISTRY_ONLY, ALLOW_ANY; did you mean "REGISTRY_ONLY"?',
    ]);
  });

  it('asks for one of exact and prefix, for methods in upper case and for paths without a query', async () => {
    const problems = await problemsOf(
      [
        'routes:',
        '  - hosts: [a]',
        '    http:',
        '      - match:',
        '          - uri: { exact: /x, prefix: /x }',
        '          - { method: { exact: get }, uri: { prefix: "/x?y" } }',
        '          - headers: { "not ok": { exact: x } }',
        '        route: [{ destination: { host: a } }]',
      ].join('\n'),
    );
    expect(problems).toEqual([
      'a.yaml:5:18: routes[0].http[0].match[0].uri: is an object; allowed: one of exact and prefix',
      'a.yaml:6:54: routes[0].http[0].match[1].uri.prefix: is "/x?y"; allowed: a path from its /, without a query',
      'a.yaml:6:32: routes[0].http[0].match[1].method.exact: is "get"; allowed: a method in upper case, such as GET',
      'a.yaml:7:24: routes[0].http[0].match[2].headers["not ok"]: the key is not allowed; allowed: a header name',
    ]);
  });

  it('refuses what the retry knows nothing of', async () => {
    const [problem] = await problemsOf(
      'services: [{ host: a, trafficPolicy: { retries: { retryOn: "5xx,nonsense" } } }]',
    );
    expect(problem).toMatch(
      /^a.yaml:1:60: services\[0\]\.trafficPolicy\.retries\.retryOn: is "5xx,nonsense"; allowed: comma-separated: connect-failure, /,
    );
  });

  it('tells all syntax errors of all documents', async () => {
    expect(await problemsOf('', 'a: [', 'services: []\n---\n')).toEqual([
      'a.yaml:1:1: is empty',
      expect.stringMatching(/^b\.yaml:1:5: /),
      'c.yaml:2:1: a second document starts; a file holds one',
    ]);
  });

  it('tells at most 50 problems, and how many more there are', async () => {
    const problems = await problemsOf(`services: [${Array(60).fill('{ host: 1 }').join(', ')}]`);
    expect(problems).toHaveLength(51);
    expect(problems.at(-1)).toBe('and 10 more');
  });

  it('is not misled by keys that mean something to JavaScript', async () => {
    expect(
      await problemsOf('services: [{ host: a, endpoints: [{ address: "x:1", labels: { __proto__: x } }] }]'),
    ).toEqual(['a.yaml:1:63: the key __proto__ is not allowed']);
  });
});

describe('problems of a value', () => {
  it('names the path', async () => {
    expect(
      await inlineProblems({ services: [{ host: 'a', endpoints: [{ address: 'x:1' }, { address: 5 }] }] }),
    ).toEqual(['inline: services[0].endpoints[1].address: is 5; allowed: host:port, [::1]:port or unix:/path']);
  });

  it('names the document itself', async () => {
    expect(await inlineProblems([])).toEqual(['inline: document: is an empty list; allowed: an object']);
    expect(await inlineProblems(null)).toEqual(['inline: document: is null; allowed: an object']);
  });

  it('takes a field that is undefined for missing', async () => {
    expect(await inlineProblems({ services: undefined, routes: [] })).toEqual([]);
  });

  it('refuses what is no plain data', async () => {
    const circular: Record<string, unknown> = {};
    circular.services = [circular];
    expect(await inlineProblems({ services: new Map() })).toEqual(['inline: services: is a Map; allowed: plain data']);
    expect(await inlineProblems({ services: () => [] })).toEqual([
      'inline: services: is a function; allowed: plain data',
    ]);
    expect(await inlineProblems(JSON.parse('{ "__proto__": {} }'))).toEqual([
      'inline: __proto__: the key __proto__ is not allowed',
    ]);
    expect(await inlineProblems(circular)).toEqual([
      expect.stringMatching(/: is too large, nested too deep or contains itself$/),
    ]);
  });
});
