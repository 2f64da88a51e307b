import { afterEach, describe, expect, it } from 'vitest';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { type EtcdCluster, startEtcd } from './etcd-server.ts';
import { playOutage } from './outage.ts';
import { hasServer } from './server-process.ts';

interface HealthyInstance {
  readonly Service: { readonly Address: string; readonly Port: number };
}

async function namesOfConsul({ send }: ConsulServer): Promise<string[]> {
  const healthy = (await send('GET', '/v1/health/service/reviews?passing')) as HealthyInstance[];
  return healthy.map(({ Service }) => `${Service.Address}:${Service.Port}`);
}

async function namesOfEtcd({ send }: EtcdCluster): Promise<string[]> {
  const prefix = 'inmesh/endpoints/reviews/';
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const end = `${prefix.slice(0, -1)}0`;
  const { kvs = [] } = await send('/v3/kv/range', { key: base64(prefix), range_end: base64(end), keys_only: true });
  return (kvs as { key: string }[]).map(({ key }) => Buffer.from(key, 'base64').toString().slice(prefix.length));
}

/** The registry is down for this long: a minute in CI. */
const outageMs = Number(process.env.OUTAGE_MS ?? 4_000);
const timeoutMs = outageMs + 60_000;

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

describe('an outage of the registry', () => {
  it.skipIf(!hasServer('consul'))(
    'fails no call, Consul, which comes back empty',
    async () => {
      const server = await startConsul();
      disposals.push(() => server.dispose());
      const figures = await playOutage(
        {
          registry: `consul://${server.host}`,
          kill: () => server.process.kill(),
          start: () => server.process.start(),
          names: () => namesOfConsul(server),
        },
        outageMs,
      );
      expect(figures.failed).toEqual([]);
      expect(figures.calls).toBeGreaterThan((outageMs / 1_000) * 400);
      expect(figures.lateStatus).toBe(200);
      expect(figures.convergedMs).toBeLessThan(2_000);
    },
    timeoutMs,
  );

  it.skipIf(!hasServer('etcd'))(
    'fails no call, etcd, three members',
    async () => {
      const cluster = await startEtcd(3);
      disposals.push(() => cluster.dispose());
      const figures = await playOutage(
        {
          registry: `etcd://${cluster.hosts.join(',')}`,
          kill: async () => {
            await Promise.all(cluster.processes.map((process) => process.kill()));
          },
          start: async () => {
            await Promise.all(cluster.processes.map((process) => process.spawn()));
            await Promise.all(cluster.processes.map((process) => process.ready()));
          },
          names: () => namesOfEtcd(cluster),
        },
        outageMs,
      );
      expect(figures.failed).toEqual([]);
      expect(figures.calls).toBeGreaterThan((outageMs / 1_000) * 400);
      expect(figures.lateStatus).toBe(200);
      expect(figures.convergedMs).toBeLessThan(2_000);
    },
    timeoutMs,
  );

  it.skipIf(!hasServer('etcd'))(
    'of the leader of etcd alone fails no call',
    async () => {
      const cluster = await startEtcd(3);
      disposals.push(() => cluster.dispose());
      const leader = cluster.processes[await cluster.leader()];
      const figures = await playOutage(
        {
          registry: `etcd://${cluster.hosts.join(',')}`,
          kill: async () => leader?.kill(),
          start: async () => leader?.start(),
          names: () => namesOfEtcd(cluster),
        },
        Math.min(outageMs, 4_000),
      );
      expect(figures.failed).toEqual([]);
      expect(figures.lateStatus).toBe(200);
      expect(figures.convergedMs).toBeLessThan(2_000);
    },
    timeoutMs,
  );
});
