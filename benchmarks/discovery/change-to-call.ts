/** How soon does a change reach a call? A service moves to and fro between two endpoints, and is called all the time. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh } from '../../src/index.ts';
import { startConsul } from '../../test/backends/consul-server.ts';
import { startEtcd } from '../../test/backends/etcd-server.ts';
import { base64, endpointKeyOf } from './etcd-fill.ts';
import { summary } from './figures.ts';

const rounds = 300;

/** Makes a service have one of two endpoints. */
interface Mover {
  readonly registry: string;
  move(port: number, from: number | undefined): Promise<void>;
  dispose(): Promise<void>;
}

async function consul(): Promise<Mover> {
  const server = await startConsul();
  const id = (port: number) => `reviews-${port}`;
  return {
    registry: `consul://${server.host}`,
    move: async (port, from) => {
      await server.send('PUT', '/v1/agent/service/register', {
        ID: id(port),
        Name: 'reviews',
        Address: '127.0.0.1',
        Port: port,
      });
      if (from !== undefined) await server.send('PUT', `/v1/agent/service/deregister/${id(from)}`);
    },
    dispose: () => server.dispose(),
  };
}

async function etcd(): Promise<Mover> {
  const cluster = await startEtcd();
  const key = (port: number) => endpointKeyOf('reviews', `127.0.0.1:${port}`);
  return {
    registry: `etcd://${cluster.hosts[0]}`,
    move: async (port, from) => {
      const value = base64(JSON.stringify({ address: `127.0.0.1:${port}` }));
      const gone = from === undefined ? [] : [{ requestDeleteRange: { key: key(from) } }];
      await cluster.send('/v3/kv/txn', { success: [{ requestPut: { key: key(port), value } }, ...gone] });
    },
    dispose: () => cluster.dispose(),
  };
}

/** From the write is sent until the start of the first call that is answered by the new endpoint, in ms. */
export async function changeToCall() {
  const results: Record<string, ReturnType<typeof summary>> = {};
  const servers = [0, 1].map((index) => createServer((_request, response) => response.end(String(index))).listen(0));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const [name, open] of Object.entries({ consul, etcd })) {
    const mover = await open();
    await mover.move(ports[0] as number, undefined);
    const mesh = await createMesh({ service: 'benchmark', registry: mover.registry });
    const askWho = async () => Number(await (await mesh.request('http://reviews/')).body.text());
    await askWho();
    const delays: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const to = round % 2;
      const sentAt = performance.now();
      const moved = mover.move(ports[to] as number, ports[1 - to] as number);
      for (;;) {
        const startedAt = performance.now();
        if ((await askWho()) !== to) continue;
        delays.push(startedAt - sentAt);
        break;
      }
      await moved;
    }
    results[name] = summary(delays);
    await mesh.close();
    await mover.dispose();
  }
  for (const server of servers) server.close();
  return results;
}
