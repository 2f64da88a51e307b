import { describe, expect, it } from 'vitest';
import { hashDefaults } from '../../src/balancing/hash-options.ts';
import { loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import { compile } from '../../src/config/compile.ts';
import type { MeshConfig } from '../../src/config/mesh-config.ts';
import type { MeshDocument } from '../../src/config/schema.ts';
import { callDefaults, resolveCallOptions } from '../../src/core/call-options.ts';
import { fullDocument } from './full-document.ts';

async function configOf(...documents: (string | MeshDocument)[]): Promise<MeshConfig> {
  const raw = documents.map((document, index) =>
    typeof document === 'string' ? { name: `${index}.yaml`, text: document } : { name: 'inline', value: document },
  );
  const result = await compile(raw);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result.config;
}

describe('compile', () => {
  it('gives a service that is only a host all defaults', async () => {
    const config = await configOf({ services: [{ host: 'details' }] });
    expect(config.outboundMode).toBe('REGISTRY_ONLY');
    expect(config.routes.size).toBe(0);
    expect(config.services.get('details')).toMatchObject({
      host: 'details',
      endpoints: [],
      resolution: 'STATIC',
      subsets: new Map(),
      loadBalancer: { name: 'PEAK_EWMA', panicThresholdPercent: 50, hash: hashDefaults },
      locality: undefined,
      session: undefined,
      transport: {
        connections: 128,
        connectTimeoutMs: 10_000,
        idleTimeoutMs: 4_000,
        minIdleConnections: 0,
        maxRequestsPerConnection: 0,
        h2: false,
      },
      limits: {
        maxRequestsPerEndpoint: 128,
        maxRequests: 1024,
        maxPending: 1024,
        maxPendingMs: Number.POSITIVE_INFINITY,
      },
      outlier: { consecutive5xxErrors: 5, baseEjectionMs: 30_000, maxEjectionMs: 300_000, maxEjectionPercent: 50 },
      retryBudget: { percent: 20, minRetriesPerSecond: 10 },
      tls: undefined,
      circuitBreaker: undefined,
      call: { options: {}, backoff: undefined },
    });
  });

  it('compiles every field of a service', async () => {
    const reviews = (await configOf(fullDocument)).services.get('reviews');
    expect(reviews).toEqual({
      host: 'reviews',
      endpoints: [
        {
          host: '127.0.0.1',
          port: 9081,
          labels: { version: 'v1' },
          locality: 'eu/eu-1/a',
          weight: 3,
          state: 'serving',
        },
        { host: '::1', port: 9082, labels: { version: 'v3' }, locality: '', weight: 1, state: 'serving' },
        { host: '', port: 0, socketPath: '/run/reviews.sock', labels: {}, locality: '', weight: 1, state: 'serving' },
      ],
      resolution: 'STATIC',
      subsets: new Map([
        ['v1', { version: 'v1' }],
        ['v3', { version: 'v3' }],
      ]),
      loadBalancer: {
        ...loadBalancerDefaults,
        name: 'LEAST_REQUEST',
        panicThresholdPercent: 40,
        subsetSize: 30,
        warmup: { durationMs: 60_000, minimumPercent: 20, aggression: 2 },
      },
      locality: {
        distribute: [],
        failover: new Map([['eu', 'us']]),
        zoneAware: undefined,
        overprovisioningPercent: 140,
      },
      session: undefined,
      transport: {
        connections: 4,
        connectTimeoutMs: 1_000,
        idleTimeoutMs: 2_500,
        minIdleConnections: 0,
        maxRequestsPerConnection: 1_000,
        h2: true,
      },
      limits: { maxRequestsPerEndpoint: 400, maxRequests: 500, maxPending: 64, maxPendingMs: 3_000 },
      outlier: {
        consecutive5xxErrors: 7,
        consecutiveGatewayErrors: 3,
        consecutiveLocalOriginFailures: 2,
        intervalMs: 5_000,
        baseEjectionMs: 10_000,
        maxEjectionMs: 60_000,
        maxEjectionPercent: 30,
        successRate: { minimumHosts: 3, requestVolume: 50, stdevFactor: 2 },
        failurePercentage: { threshold: 60, minimumHosts: 2, requestVolume: 10 },
        latency: { factor: 4, minimumMs: 300, requestVolume: 16 },
      },
      failFast: false,
      healthCheck: {
        http: { path: '/healthz', expectedStatuses: [200, 204] },
        intervalMs: 2_000,
        timeoutMs: 500,
        jitterMs: 100,
        healthyThreshold: 3,
        unhealthyThreshold: 1,
      },
      retryBudget: { percent: 25, minRetriesPerSecond: 5 },
      tls: {
        mode: 'MUTUAL',
        clientCertificate: 'certs/client.pem',
        privateKey: 'certs/client.key',
        caCertificates: 'certs/ca.pem',
        sni: 'reviews.example',
        subjectAltNames: ['reviews.example'],
      },
      circuitBreaker: {
        consecutiveErrors: 8,
        errorPercent: 60,
        minRequests: 10,
        windowMs: 20_000,
        openMs: 2_000,
        darkMode: true,
        forced: 'CLOSED',
      },
      admission: { k: 1.5, windowMs: 60_000, minRequestsPerSecond: 5, maxRejectionPercent: 70, darkMode: true },
      rateLimit: { maxTokens: 100, tokensPerFill: 10, fillIntervalMs: 500, headerName: 'x-tenant', darkMode: true },
      call: {
        options: { timeoutMs: 10_000, headTimeoutMs: 3_000, bodyIdleMs: false, criticality: 'critical-plus' },
        backoff: undefined,
      },
      fingerprint: expect.any(String),
    });
  });

  it('compiles every field of a rule, for each host of its route', async () => {
    const { routes, outboundMode } = await configOf(fullDocument);
    expect(outboundMode).toBe('ALLOW_ANY');
    expect(routes.get('shop')).toBe(routes.get('reviews'));
    const [canary, rest] = routes.get('reviews') ?? [];
    expect(canary).toEqual({
      name: 'canary',
      matches: [
        {
          path: { kind: 'prefix', text: '/reviews' },
          method: { kind: 'exact', text: 'GET' },
          headers: [
            { name: 'end-user', value: { kind: 'exact', text: 'jason' } },
            { name: 'accept', value: { kind: 'prefix', text: 'text/' } },
          ],
        },
      ],
      destinations: [
        { host: 'reviews', subset: 'v1', weight: 90 },
        { host: 'reviews', subset: 'v3', weight: 10 },
      ],
      circuitBreaker: {
        consecutiveErrors: 0,
        errorPercent: 50,
        minRequests: 20,
        windowMs: 10_000,
        openMs: 1_000,
        darkMode: false,
        forced: undefined,
      },
      rateLimit: { maxTokens: 5, tokensPerFill: 1, fillIntervalMs: 1_000, headerName: undefined, darkMode: false },
      call: {
        options: {
          timeoutMs: 2_000,
          headTimeoutMs: 1_000,
          bodyIdleMs: 500,
          perTryTimeoutMs: 250,
          criticality: 'sheddable',
          retries: { max: 3, on: ['connect-failure', '503'] },
        },
        backoff: { baseMs: 10, maxMs: 100 },
      },
      fingerprint: expect.any(String),
    });
    expect(rest).toMatchObject({ name: 'http[1]', matches: [], destinations: [{ host: 'ratings', weight: 1 }] });
  });

  it('gives call options that the resolution of options takes', async () => {
    const [canary] = (await configOf(fullDocument)).routes.get('reviews') ?? [];
    const resolved = resolveCallOptions(callDefaults, canary!.call.options);
    expect(resolved).toMatchObject({ timeoutMs: 2_000, perTryTimeoutMs: 250, retry: { max: 3 } });
    expect(resolved.retry.on).toEqual(new Set(['connect-failure', '503']));
  });

  it("takes Istio's attempts for max, and fills in one half of a backoff", async () => {
    const policyOf = async (retries: object) =>
      (await configOf({ services: [{ host: 'a', trafficPolicy: { retries } }] })).services.get('a')?.call;
    expect((await policyOf({ attempts: 4 }))?.options).toEqual({ retries: { max: 4 } });
    expect((await policyOf({ backoff: { baseInterval: '2s' } }))?.backoff).toEqual({
      baseMs: 2_000,
      maxMs: 20_000,
    });
    expect((await policyOf({ backoff: { maxInterval: '5ms' } }))?.backoff).toEqual({
      baseMs: 5,
      maxMs: 5,
    });
  });

  it('switches outlier detection off, and keeps its longest ejection above the first', async () => {
    const outlierOf = async (outlierDetection: object) =>
      (await configOf({ services: [{ host: 'a', trafficPolicy: { outlierDetection } }] })).services.get('a')?.outlier;
    expect(await outlierOf({ disabled: true })).toBeUndefined();
    expect(await outlierOf({ baseEjectionTime: '1h' })).toMatchObject({
      baseEjectionMs: 3_600_000,
      maxEjectionMs: 3_600_000,
    });
  });

  it('expects the names of a service where its TLS names none', async () => {
    const subjectAltNames = ['spiffe://x/y'];
    const tlsOf = async (tls: { mode: 'SIMPLE' | 'DISABLE'; subjectAltNames?: string[] }) =>
      (await configOf({ services: [{ host: 'a', subjectAltNames, trafficPolicy: { tls } }] })).services.get('a')?.tls;
    expect(await tlsOf({ mode: 'SIMPLE' })).toMatchObject({ subjectAltNames });
    expect(await tlsOf({ mode: 'SIMPLE', subjectAltNames: ['b'] })).toMatchObject({ subjectAltNames: ['b'] });
    expect(await tlsOf({ mode: 'DISABLE' })).toBeUndefined();
  });

  it('adds the services and routes of several documents up', async () => {
    const config = await configOf(
      'routes: [{ hosts: [a], http: [{ route: [{ destination: { host: b } }] }] }]',
      'services: [{ host: a }]',
      '{ "services": [{ "host": "b" }], "outboundTrafficPolicy": { "mode": "ALLOW_ANY" } }',
    );
    expect([...config.services.keys()]).toEqual(['a', 'b']);
    expect([...config.routes.keys()]).toEqual(['a']);
    expect(config.outboundMode).toBe('ALLOW_ANY');
  });

  it('gives a service the same fingerprint while only its endpoints and the order of fields change', async () => {
    const fingerprintOf = async (service: string) =>
      (await configOf(`services: [${service}]`)).services.get('a')?.fingerprint;
    const base = await fingerprintOf('{ host: a, subsets: [{ name: s, labels: { x: "1", y: "2" } }] }');
    expect(
      await fingerprintOf(
        '{ subsets: [{ labels: { y: "2", x: "1" }, name: s }], host: A, endpoints: [{ address: "x:1" }] }',
      ),
    ).toBe(base);
    expect(await fingerprintOf('{ host: a, subsets: [{ name: s, labels: { x: "1", y: "3" } }] }')).not.toBe(base);
    expect(await fingerprintOf('{ host: a, trafficPolicy: { timeout: 1s } }')).not.toBe(base);
  });

  it('cannot be changed afterwards, nor through the document it came from', async () => {
    const document = { services: [{ host: 'a', endpoints: [{ address: 'x:1' }] }] };
    const config = await configOf(document);
    document.services[0]!.endpoints.push({ address: 'y:1' });
    const service = config.services.get('a')!;
    expect(service.endpoints).toHaveLength(1);
    for (const part of [config, service, service.endpoints, service.endpoints[0], service.transport, service.call]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('warns of what has no effect', async () => {
    const result = await compile([
      {
        name: 'mesh.yaml',
        text: [
          'services:',
          '  - host: reviews',
          '    subjectAltNames: [x]',
          '    trafficPolicy: { retryBudget: { minRetryConcurrency: 3 } }',
          'routes:',
          '  - { hosts: [review], http: [{ route: [{ destination: { host: reviews } }] }] }',
        ].join('\n'),
      },
    ]);
    expect(result).toMatchObject({
      ok: true,
      warnings: [
        'mesh.yaml:3:22: services[0].subjectAltNames: has no effect without trafficPolicy.tls',
        'mesh.yaml:4:58: services[0].trafficPolicy.retryBudget.minRetryConcurrency: is read and not used: the budget is one of retries per second, see minRetriesPerSecond',
        'mesh.yaml:6:15: routes[0].hosts[0]: review is no service and becomes a host of its own; meant reviews?',
      ],
    });
  });
});
