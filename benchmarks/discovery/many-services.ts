/** What does a registry of 1,000 services cost a process that calls some of them? */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh } from '../../src/index.ts';
import { startEtcd } from '../../test/backends/etcd-server.ts';
import { fill, loopback } from './etcd-fill.ts';
import { rounded, summary } from './figures.ts';

const services = 1_000;
const endpoints = 100;

/** The first call to each of the services, in ms, and the heap per endpoint that is known, in bytes. */
export async function manyServices() {
  const server = createServer((_request, response) => response.end('well')).listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const etcd = await startEtcd();
  for (let service = 0; service < services; service++) {
    const addresses = Array.from({ length: endpoints }, (_, index) => loopback(service * endpoints + index, port));
    await fill(etcd, `service-${service}`, addresses);
  }
  const startedAt = performance.now();
  const mesh = await createMesh({ service: 'benchmark', registry: `etcd://${etcd.hosts[0]}` });
  const startMs = performance.now() - startedAt;
  const call = async (service: number) => {
    const calledAt = performance.now();
    await (await mesh.request(`http://service-${service}/`)).body.text();
    return performance.now() - calledAt;
  };
  await call(0);
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const delays: number[] = [];
  for (let service = 1; service < services; service++) delays.push(await call(service));
  globalThis.gc?.();
  const bytes = (process.memoryUsage().heapUsed - heapBefore) / ((services - 1) * endpoints);
  const result = { ...summary(delays), startMs: rounded(startMs), bytesPerEndpoint: Math.round(bytes) };
  await mesh.close();
  await etcd.dispose();
  server.close();
  return { 'first call, ms': result };
}
