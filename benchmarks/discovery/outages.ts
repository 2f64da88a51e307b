/** What does an outage of the registry of a minute do, and how soon after it does a process know what the registry holds? */
import { startConsul } from '../../test/backends/consul-server.ts';
import { startEtcd } from '../../test/backends/etcd-server.ts';
import { playOutage } from '../../test/backends/outage.ts';
import { consulOutage, etcdOutage } from '../../test/backends/outage-backends.ts';
import { rounded } from './figures.ts';

const outageMs = 60_000;

/** Calls, how many of them failed, and the time from the registry's first answer until its content was known. */
export async function outages() {
  const consul = await startConsul();
  const cluster = await startEtcd(3);
  const backends = { consul: consulOutage(consul), 'etcd, all members': await etcdOutage(cluster, 'all') };
  const results: Record<string, object> = {};
  for (const [name, backend] of Object.entries(backends)) {
    const { calls, failed, convergedMs } = await playOutage(backend, outageMs);
    results[name] = { calls, failed: failed.length, convergedMs: rounded(convergedMs) };
  }
  await consul.dispose();
  await cluster.dispose();
  return results;
}
