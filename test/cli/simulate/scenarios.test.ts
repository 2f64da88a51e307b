import { describe, expect, it } from 'vitest';
import { runScenario } from '../../../src/cli/simulate/run-scenario.ts';
import { type ScenarioName, type Setting, scenarioNames, scenarios } from '../../../src/cli/simulate/scenarios.ts';

const addresses = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80'];
const setting: Setting = {
  endpoints: addresses.map((address, index) => ({ address, locality: index < 2 ? 'eu/a' : 'eu/b' })),
  latencyMs: 20,
  concurrency: 4,
  fromMs: 5_000,
  untilMs: 15_000,
};

function run(scenario: ScenarioName, trafficPolicy = {}, seed = 1) {
  return runScenario({
    document: {
      services: [{ host: 'reviews', endpoints: setting.endpoints.map(({ address }) => ({ address })), trafficPolicy }],
    },
    service: 'reviews',
    scenario,
    setting,
    url: 'http://reviews/',
    method: 'GET',
    locality: '',
    callsPerSecond: 100,
    durationMs: 20_000,
    slowMs: 1_000,
    seed,
  });
}

/** No mesh to help. */
const bare = {
  loadBalancer: { simple: 'ROUND_ROBIN' as const },
  outlierDetection: { disabled: true },
  retries: { max: 0 },
  headTimeout: '1s',
};

describe('scenarios', () => {
  it('are all well before they begin', async () => {
    for (const name of scenarioNames) {
      const { before } = await run(name, bare);
      expect(before, name).toMatchObject({ success: 1, amplification: 1, ejections: 0 });
    }
  });

  it.each([
    ['stalled-endpoint', 0.75],
    ['sinkhole', 0.75],
    ['zone-loss', 0.5],
    ['retry-storm', 0.3],
  ] as const)('%s breaks the share of the calls that it says', async (name, share) => {
    const { during, after } = await run(name, bare);
    expect(during.success).toBeGreaterThan(share - 0.06);
    expect(during.success).toBeLessThan(share + 0.06);
    expect(after.success).toBeGreaterThan(0.99);
  });

  it.each([
    ['slow-endpoint', 150],
    ['latency-spike', 100],
  ] as const)('%s makes calls slower, and only while it lasts', async (name, p99Ms) => {
    const { before, during, after } = await run(name, bare);
    expect(before.p99Ms).toBeLessThan(100);
    expect(during.p99Ms).toBeGreaterThan(p99Ms);
    expect(after.p50Ms).toBeLessThan(50);
  });

  it('dead-endpoint costs attempts that no server sees', async () => {
    const { during } = await run('dead-endpoint', bare);
    expect(during.success).toBe(1);
    expect(during.amplification).toBeGreaterThan(1.2);
  });

  it('overload sends more than the endpoints can do', async () => {
    const { before, during } = await run('overload', bare);
    expect(during.calls / before.calls).toBeGreaterThan(7);
  });

  it('rolling-deploy restarts one endpoint after another', () => {
    const { profiles } = scenarios['rolling-deploy'].weather(setting);
    const windows = addresses.map((address) => profiles[address]?.faults?.[0]);
    expect(windows.map((fault) => [fault?.fromMs, fault?.untilMs])).toEqual([
      [5_000, 6_250],
      [7_500, 8_750],
      [10_000, 11_250],
      [12_500, 13_750],
    ]);
  });

  it('zone-loss takes a third where there are no localities', () => {
    const flat = { ...setting, endpoints: setting.endpoints.map(({ address }) => ({ address, locality: '' })) };
    const { profiles } = scenarios['zone-loss'].weather(flat);
    expect(addresses.filter((address) => (profiles[address]?.faults?.length ?? 0) > 0)).toEqual([
      addresses[0],
      addresses[3],
    ]);
  });
});

describe('runScenario', () => {
  it('does the same for the same seed', async () => {
    expect(await run('retry-storm', {}, 3)).toEqual(await run('retry-storm', {}, 3));
  });

  it('counts what the mesh does about it', async () => {
    const { during } = await run('sinkhole', { loadBalancer: { simple: 'ROUND_ROBIN' } });
    expect(during).toMatchObject({ success: 1, ejections: 1 });
    expect(during.amplification).toBeGreaterThan(1);
  });

  it('has a row for each second, that add up', async () => {
    const { seconds, before, during, after } = await run('steady');
    expect(seconds).toHaveLength(20);
    const calls = seconds.reduce((sum, figures) => sum + figures.calls, 0);
    expect(calls).toBe(before.calls + during.calls + after.calls);
  });

  it('takes answers that come late for no success', async () => {
    const { during } = await runScenario({
      document: { services: [{ host: 'reviews', endpoints: [{ address: '10.0.0.1:80' }] }] },
      service: 'reviews',
      scenario: 'steady',
      setting,
      url: 'http://reviews/',
      method: 'GET',
      locality: '',
      callsPerSecond: 10,
      durationMs: 20_000,
      slowMs: 20,
      seed: 1,
    });
    expect(during.success).toBeGreaterThan(0.3);
    expect(during.success).toBeLessThan(0.7);
  });
});
