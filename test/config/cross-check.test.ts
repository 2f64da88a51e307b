import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile.ts';

async function problemsOf(...texts: string[]): Promise<readonly string[]> {
  const result = await compile(texts.map((text, index) => ({ name: `${'ab'[index]}.yaml`, text })));
  return result.ok ? [] : result.problems;
}

/** One service `a` with a policy. */
const policy = (text: string) => `services: [{ host: a, trafficPolicy: { ${text} } }]`;

/** Services `a` (subset v1) and `b`, and a rule for `a`. */
const rule = (text: string) =>
  [
    'services:',
    '  - { host: a, subsets: [{ name: v1, labels: {} }], trafficPolicy: { timeout: 1s } }',
    '  - { host: b }',
    'routes:',
    `  - { hosts: [a], http: [{ ${text} }] }`,
  ].join('\n');

describe('crossCheck', () => {
  it('refuses a host that two services have, naming both places, also across files', async () => {
    expect(await problemsOf('services:\n  - host: a\n  - host: A\n', 'services: [{ host: a }]')).toEqual([
      'a.yaml:3:11: services[1].host: the service a is defined twice; first at a.yaml:2:11: services[0].host',
      'b.yaml:1:20: services[0].host: the service a is defined twice; first at a.yaml:2:11: services[0].host',
    ]);
  });

  it('refuses two routes for one host', async () => {
    const route = 'routes: [{ hosts: [a], http: [{ route: [{ destination: { host: a } }] }] }]';
    expect(await problemsOf(`services: [{ host: a }]\n${route}`, route)).toEqual([
      'b.yaml:1:20: routes[0].hosts[0]: a route for a is defined twice; first at a.yaml:2:20: routes[0].hosts[0]',
    ]);
  });

  it('refuses outbound modes that differ', async () => {
    const mode = (value: string) => `outboundTrafficPolicy: { mode: ${value} }`;
    expect(await problemsOf(mode('ALLOW_ANY'), mode('ALLOW_ANY'))).toEqual([]);
    expect(await problemsOf(mode('ALLOW_ANY'), mode('REGISTRY_ONLY'))).toEqual([
      'b.yaml:1:32: outboundTrafficPolicy.mode: is REGISTRY_ONLY, but another at a.yaml:1:32: outboundTrafficPolicy.mode',
    ]);
  });

  it('warns of a host that is nearly a service, and stops looking after so many that are not', async () => {
    const names = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(3, '0')}`);
    const services = names('service', 100).map((host) => ({ host }));
    const http = [{ route: [{ destination: { host: 'service-000' } }] }];
    const warnings = async (others: number) => {
      const value = { services, routes: [{ hosts: [...names('virtual', others), 'servise-000'], http }] };
      const result = await compile([{ name: 'inline', value }]);
      return result.ok ? result.warnings : result.problems;
    };
    expect(await warnings(10)).toEqual([expect.stringContaining('servise-000 is no service')]);
    expect(await warnings(500)).toEqual([]);
  });

  it('refuses an address that two endpoints of a service have, however it is written', async () => {
    const text = 'services: [{ host: a, endpoints: [{ address: "x:80" }, { address: "y:80" }, { address: "x:080" }] }]';
    expect(await problemsOf(text)).toEqual([
      'a.yaml:1:88: services[0].endpoints[2].address: x:080 is the address of endpoints[0] too',
    ]);
  });

  it('refuses a subset that is defined twice', async () => {
    const text = 'services: [{ host: a, subsets: [{ name: s, labels: {} }, { name: s, labels: {} }] }]';
    expect(await problemsOf(text)).toEqual(['a.yaml:1:66: services[0].subsets[1].name: the subset s is defined twice']);
  });

  it('refuses a unix socket that is to be resolved by DNS', async () => {
    const text = 'services: [{ host: a, resolution: DNS, endpoints: [{ address: unix:/x }] }]';
    expect(await problemsOf(text)).toEqual([
      'a.yaml:1:63: services[0].endpoints[0].address: is unix:/x; allowed with resolution DNS: name:port',
    ]);
  });

  it.each([
    ['tls: { mode: MUTUAL, privateKey: k }', 'tls.mode: is MUTUAL, which needs clientCertificate'],
    ['tls: { mode: MUTUAL, clientCertificate: c }', 'tls.mode: is MUTUAL, which needs privateKey'],
    ['tls: { mode: SIMPLE, privateKey: k }', 'tls.privateKey: is for mode MUTUAL only'],
    ['timeout: 1s, retries: { perTryTimeout: 2s }', 'retries.perTryTimeout: is 2s; allowed: at most timeout 1s'],
    ['retries: { max: 1, attempts: 1 }', 'retries.attempts: is the same as max; only one of them is allowed'],
    [
      'retries: { backoff: { baseInterval: 1s, maxInterval: 1ms } }',
      'retries.backoff.maxInterval: is 1ms; allowed: at least baseInterval 1s',
    ],
    [
      'outlierDetection: { baseEjectionTime: 1m, maxEjectionTime: 1s }',
      'outlierDetection.maxEjectionTime: is 1s; allowed: at least baseEjectionTime 1m',
    ],
    [
      'connectionPool: { tcp: { maxConnections: 1, minIdleConnections: 2 } }',
      'connectionPool.tcp.minIdleConnections: is 2; allowed: at most maxConnections 1',
    ],
    [
      'circuitBreaker: { errorPercent: 0 }',
      'circuitBreaker: can never open: errorPercent and consecutiveErrors are both 0',
    ],
  ])('refuses the policy { %s }', async (text, problem) => {
    expect(await problemsOf(policy(text))).toEqual([
      expect.stringMatching(/^a\.yaml:1:\d+: services\[0\]\.trafficPolicy\./),
    ]);
    expect((await problemsOf(policy(text)))[0]).toContain(`trafficPolicy.${problem}`);
  });

  it.each([
    ['failover: [{ from: eu/eu-1, to: us }]', 'failover[0].from: is "eu/eu-1"; allowed: the name of a region'],
    ['failover: [{ from: eu, to: us/us-1 }]', 'failover[0].to: is "us/us-1"; allowed: the name of a region'],
    ['failover: [{ from: eu, to: "*" }]', 'failover[0].to: is "*"; allowed: the name of a region'],
    ['failover: [{ from: eu, to: us }, { from: eu, to: ap }]', 'failover[1].from: is eu, as failover[0].from'],
    ['failover: [{ from: eu, to: eu }]', 'failover[0].to: is eu; allowed: another region than from'],
    [
      'distribute: [{ from: eu, to: { eu: 100 } }, { from: eu/eu-1, to: { us: 100 } }]',
      'distribute[1].from: eu/eu-1 never holds: it lies in eu, which comes before it',
    ],
    [
      'distribute: [{ from: eu, to: { eu/*: 50, eu/eu-1: 50 } }]',
      'distribute[0].to["eu/eu-1"]: eu/eu-1 gets nothing: it lies in eu/*, which comes before it',
    ],
  ])('refuses the localityLbSetting { %s }', async (text, problem) => {
    const problems = await problemsOf(policy(`loadBalancer: { localityLbSetting: { ${text} } }`));
    expect(problems).toEqual([expect.stringMatching(/^a\.yaml:1:\d+: services\[0\]\./)]);
    expect(problems[0]).toContain('localityLbSetting.');
    expect(problems[0]).toContain(problem);
  });

  it.each([
    ['loadBalancer: { localityLbSetting: { distribute: [{ from: eu, to: { eu/eu-1: 80, eu: 20 } }] } }'],
    [
      'loadBalancer: { localityLbSetting: { distribute: [{ from: eu/a, to: { "*": 100 } }, { from: "*", to: { eu: 100 } }] } }',
    ],
    ['loadBalancer: { localityLbSetting: { failover: [{ from: eu, to: us }, { from: us, to: eu }] } }'],
    ['connectionPool: { tcp: { maxConnections: 2, minIdleConnections: 2 } }'],
    ['timeout: 2s, retries: { perTryTimeout: 2s }'],
    ['timeout: false, retries: { perTryTimeout: 2s }'],
    ['circuitBreaker: { errorPercent: 0, consecutiveErrors: 1 }'],
  ])('accepts the policy { %s }', async (text) => {
    expect(await problemsOf(policy(text))).toEqual([]);
  });

  it.each([
    ['route: [{ destination: { host: c } }]', 'route[0].destination.host: there is no service c'],
    ['route: [{ destination: { host: a, subset: v } }]', 'route[0].destination.subset: a has no subset v'],
    ['route: [{ destination: { host: a, subset: v12 } }]', 'a has no subset v12; did you mean "v1"?'],
    ['route: [{ weight: 0, destination: { host: a } }]', 'route: the weights are all 0; allowed: at least one above 0'],
    [
      'route: [{ weight: 1, destination: { host: a } }, { destination: { host: b } }]',
      'route[1]: weight is missing; it is needed when there are several destinations',
    ],
    [
      'retries: { perTryTimeout: 2s }, route: [{ destination: { host: a } }]',
      'retries.perTryTimeout: is 2s; allowed: at most timeout 1s',
    ],
  ])('refuses the rule { %s }', async (text, problem) => {
    const problems = await problemsOf(rule(text));
    expect(problems).toEqual([expect.stringMatching(/^a\.yaml:5:\d+: routes\[0\]\.http\[0\]\./)]);
    expect(problems[0]).toContain(problem);
  });

  it('accepts a rule that gives more time than its service', async () => {
    expect(
      await problemsOf(rule('timeout: 3s, retries: { perTryTimeout: 2s }, route: [{ destination: { host: a } }]')),
    ).toEqual([]);
  });
});
