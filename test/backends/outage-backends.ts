/** The registries that an outage is played with. */
import type { ConsulServer } from './consul-server.ts';
import type { EtcdCluster } from './etcd-server.ts';
import type { OutageBackend } from './outage.ts';

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

/** An agent in development mode: it comes back empty. */
export function consulOutage(server: ConsulServer): OutageBackend {
  return {
    registry: `consul://${server.host}`,
    kill: () => server.process.kill(),
    start: () => server.process.start(),
    names: () => namesOfConsul(server),
  };
}

/** All members of a cluster, or the one that leads. */
export async function etcdOutage(cluster: EtcdCluster, who: 'all' | 'leader'): Promise<OutageBackend> {
  const leader = await cluster.leader();
  const processes = cluster.processes.filter((_, member) => who === 'all' || member === leader);
  const each = (work: (process: (typeof processes)[number]) => Promise<void>) => Promise.all(processes.map(work));
  return {
    registry: `etcd://${cluster.hosts.join(',')}`,
    kill: async () => void (await each((process) => process.kill())),
    start: async () => {
      await each((process) => process.spawn());
      await each((process) => process.ready());
    },
    names: () => namesOfEtcd(cluster),
  };
}
