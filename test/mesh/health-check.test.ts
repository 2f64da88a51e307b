import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { reviews, type TrafficPolicy, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

const [a, b, c] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'] as const;
const broken = { latency: 1, status: 503 };
const well = { latency: 1 };

let virtual: VirtualMesh;
afterEach(() => virtual.close());

const policy: TrafficPolicy = {
  loadBalancer: { simple: 'ROUND_ROBIN' },
  healthCheck: { http: { path: '/healthz' }, interval: '1s', jitter: '1ms' },
};

async function open(trafficPolicy = policy, addresses: readonly string[] = [a, b, c], endpoints = {}) {
  const opened = await virtualMesh(
    { services: [reviews(addresses, trafficPolicy)] },
    { defaultProfile: well, endpoints },
  );
  virtual = opened;
  await virtual.clock.advance(10);
  return opened;
}

function healthy(): string[] {
  return Object.entries(virtual.endpoints()).flatMap(([address, member]) => (member.healthy ? [address] : []));
}

async function metric(name: string): Promise<string | undefined> {
  const registry = new PrometheusRegistry();
  virtual.mesh.metrics.attach(registry);
  return new RegExp(`^${name}\\{service="reviews"\\} (.*)$`, 'm').exec(await registry.metrics())?.[1];
}

describe('health checks', () => {
  it('keep calls from an endpoint whose first check fails, and bring it back after two good ones', async () => {
    const { clock, network, mesh } = await open(policy, [a, b, c], { [b]: broken });
    expect(healthy()).toEqual([a, c]);
    expect(mesh.status().services[0]?.endpoints[1]?.unhealthy).toEqual([
      { reason: 'health-check', cause: 'status 503', since: expect.any(Number) },
    ]);
    expect([await metric('inmesh_endpoints_unhealthy'), await metric('inmesh_health_check_failures_total')]).toEqual([
      '1',
      '1',
    ]);
    network.setProfile(b, well);
    await clock.advance(1_100);
    expect(healthy()).toEqual([a, c]);
    await clock.advance(1_100);
    expect(healthy()).toEqual([a, b, c]);
    expect(await metric('inmesh_endpoints_unhealthy')).toBe('0');
  });

  it('find an endpoint that fails later, after three checks in a row', async () => {
    const { clock, network } = await open();
    network.setProfile(b, { faults: [{ kind: 'stall' }] });
    await clock.advance(3_100);
    expect(healthy()).toEqual([a, b, c]);
    await clock.advance(3_100);
    expect(healthy()).toEqual([a, c]);
    expect(virtual.mesh.status().services[0]?.endpoints[1]?.unhealthy[0]?.cause).toBe('INMESH_ATTEMPT_TIMEOUT');
  });

  it('ask with a GET of the path, and count as no call', async () => {
    const { network, endpoints, mesh } = await open();
    expect(network.received.map(({ endpoint, method, path }) => [endpoint, method, path])).toEqual(
      [a, b, c].map((address) => [address, 'GET', '/healthz']),
    );
    expect(network.attempts[0]?.headers).toEqual(['host', 'reviews', 'user-agent', 'inmesh-health-check']);
    expect(endpoints()[a]?.inFlight).toBe(0);
    expect(await metric('inmesh_attempts_total')).toBeUndefined();
    expect(mesh.status().services[0]?.endpoints).toHaveLength(3);
  });

  it('ask by a connection alone where the document says so', async () => {
    const healthCheck = { tcp: {}, interval: '1s', timeout: '100ms' };
    const refusing = { faults: [{ kind: 'refuse-connection' as const }] };
    const silent = { faults: [{ kind: 'connect-timeout' as const }] };
    const { network, clock, mesh } = await open({ healthCheck }, [a, b, c], {
      [a]: broken,
      [b]: refusing,
      [c]: silent,
    });
    await clock.advance(200);
    expect(healthy()).toEqual([a]);
    const causes = mesh.status().services[0]?.endpoints.map(({ unhealthy }) => unhealthy[0]?.cause);
    expect(causes).toEqual([undefined, 'ECONNREFUSED', 'INMESH_ATTEMPT_TIMEOUT']);
    expect(network.received).toEqual([]);
  });

  it('expect the statuses that the document names', async () => {
    const healthCheck = { http: { path: '/', expectedStatuses: [404] } };
    await open({ healthCheck }, [a, b], { [a]: { latency: 1, status: 404 } });
    expect(healthy()).toEqual([a]);
  });

  it('know nothing of ejections: an endpoint is well when nobody says otherwise', async () => {
    const outlierDetection = { consecutive5xxErrors: 1, interval: '1s', baseEjectionTime: '4s' };
    const { clock, network, mesh } = await open({ ...policy, outlierDetection }, [a, b, c], { [b]: broken });
    network.setProfile(b, well);
    network.setProfile(a, broken);
    for (let calls = 0; calls < 3; calls++) {
      const call = mesh.request('http://reviews/', { mesh: { retries: false } });
      await clock.advance(1);
      await call;
    }
    const reasons = () =>
      mesh.status().services[0]?.endpoints.map(({ unhealthy }) => unhealthy.map(({ reason }) => reason).join());
    expect(reasons()).toEqual(['ejected', 'health-check', '']);
    await clock.advance(3_300);
    expect(reasons()).toEqual(['ejected,health-check', '', '']);
    await clock.advance(2_000);
    expect(reasons()).toEqual(['health-check', '', '']);
  });

  it('stop when the document wants none, when the endpoint goes, and when the mesh is closed', async () => {
    const { clock, network, registry, close } = await open(policy, [a, b], { [b]: broken });
    expect(healthy()).toEqual([a]);
    await registry.setDocument({ services: [reviews([a, b])] });
    expect(healthy()).toEqual([a, b]);
    network.received.length = 0;
    await clock.advance(10_000);
    expect(network.received).toEqual([]);
    await registry.setDocument({ services: [reviews([a, b], policy)] });
    await registry.setDocument({ services: [reviews([a], policy)] });
    await clock.advance(10);
    network.received.length = 0;
    await clock.advance(5_000);
    expect(new Set(network.received.map(({ endpoint }) => endpoint))).toEqual(new Set([a]));
    network.setProfile(a, { faults: [{ kind: 'stall' }] });
    await clock.advance(1_100);
    await close();
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([{ http: { path: '/healthz' } }, { tcp: {} }])(
    'find with %j an endpoint that hangs with all its connections in use',
    async (kind) => {
      const healthCheck = { ...kind, interval: '1s', timeout: '200ms' };
      const connectionPool = { tcp: { maxConnections: 1 } };
      const { clock, network, mesh } = await open({ healthCheck, connectionPool }, [a]);
      network.setProfile(a, { faults: [{ kind: 'stall' }] });
      const call = mesh.request('http://reviews/', { mesh: { headTimeoutMs: 10_000, retries: false } });
      const settled = call.catch(() => undefined);
      await clock.advance(10);
      network.setProfile(a, { faults: [{ kind: 'connect-timeout' }] });
      await clock.advance(9_000);
      expect(healthy()).toEqual([]);
      await clock.advance(10_000);
      await settled;
    },
  );

  it('keep their verdicts when the document changes how they ask', async () => {
    const { clock, registry, network } = await open(policy, [a, b], { [b]: broken });
    expect(healthy()).toEqual([a]);
    const healthCheck = { http: { path: '/ready' }, interval: '100ms', jitter: '1ms' };
    await registry.setDocument({ services: [reviews([a, b], { ...policy, healthCheck })] });
    expect(healthy()).toEqual([a]);
    network.setProfile(b, well);
    network.received.length = 0;
    await clock.advance(500);
    expect(healthy()).toEqual([a, b]);
    expect(new Set(network.received.map(({ path }) => path))).toEqual(new Set(['/ready']));
  });

  it('still send calls when all endpoints fail them', async () => {
    const { clock, mesh } = await open(policy, [a, b], { [a]: broken, [b]: broken });
    expect(healthy()).toEqual([]);
    const call = mesh.request('http://reviews/', { mesh: { retries: false } });
    await clock.advance(1);
    expect((await call).statusCode).toBe(503);
  });
});
