/** What does one change cost at 10,000 endpoints, where the registry sends differences? */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMesh } from '../../src/index.ts';
import { startEtcd } from '../../test/backends/etcd-server.ts';
import { fill, loopback } from './etcd-fill.ts';
import { LongestTurn, rounded, summary } from './figures.ts';

const endpoints = 10_000;
const changes = 100;
const pauseMs = 30;

/** The time that the event loop was at work for a change, in ms, without what it does anyway; and the first state's longest turn. */
export async function etcdDeltas() {
  const server = createServer((_request, response) => response.end('well')).listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const etcd = await startEtcd();
  await fill(
    etcd,
    'reviews',
    Array.from({ length: endpoints }, (_, index) => loopback(index, port)),
  );
  const mesh = await createMesh({ service: 'benchmark', registry: `etcd://${etcd.hosts[0]}` });
  const turns = new LongestTurn();
  const calledAt = performance.now();
  await (await mesh.request('http://reviews/')).body.text();
  const firstCallMs = performance.now() - calledAt;
  while ((mesh.status().services[0]?.endpoints.length ?? 0) < endpoints) await sleep(250);
  turns.stop();
  const atWork = async (work: () => Promise<void>) => {
    const before = performance.eventLoopUtilization();
    await work();
    await sleep(pauseMs);
    return performance.eventLoopUtilization(before).active;
  };
  const withChange: number[] = [];
  const without: number[] = [];
  for (let change = 0; change < changes; change++) {
    withChange.push(await atWork(() => fill(etcd, 'reviews', [loopback(endpoints + change, port)])));
    without.push(await atWork(() => fill(etcd, 'others', [loopback(endpoints + change, port)])));
  }
  const known = mesh.status().services[0]?.endpoints.length;
  if (known !== endpoints + changes) throw new Error(`${known} endpoints are known`);
  const idle = summary(without).p50;
  await mesh.close();
  await etcd.dispose();
  server.close();
  return {
    'one change, ms of the event loop': summary(withChange.map((active) => active - idle)),
    'the first state': { firstCallMs: rounded(firstCallMs) },
  };
}
