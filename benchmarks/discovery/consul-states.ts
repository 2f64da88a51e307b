/** What does one change cost at 10,000 endpoints, where the registry sends the whole state? */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMesh } from '../../src/index.ts';
import { type ConsulServer, startConsul } from '../../test/backends/consul-server.ts';
import { loopback } from './etcd-fill.ts';
import { LongestTurn, summary } from './figures.ts';

const sizes = [1_000, 10_000];
const changes = 10;
const perTransaction = 60;
/** Not the agent's own node: of that it removes what it was not told of. */
const node = 'benchmark';

/** Puts instances of `reviews` into the catalog. */
async function fill(consul: ConsulServer, from: number, to: number, port: number): Promise<void> {
  for (let start = from; start < to; start += perTransaction) {
    const count = Math.min(perTransaction, to - start);
    const operations = Array.from({ length: count }, (_, offset) => {
      const index = start + offset;
      const Address = loopback(index, port).split(':')[0];
      return {
        Service: { Verb: 'set', Node: node, Service: { ID: `r${index}`, Service: 'reviews', Address, Port: port } },
      };
    });
    await consul.send('PUT', '/v1/txn', operations);
  }
}

/** By size: the longest turn of the event loop while a change is taken in, in ms. */
export async function consulStates() {
  const server = createServer((_request, response) => response.end('well')).listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const results: Record<string, object> = {};
  for (const size of sizes) {
    const consul = await startConsul();
    await consul.send('PUT', '/v1/catalog/register', { Node: node, Address: '127.0.0.1' });
    await fill(consul, 0, size, port);
    const mesh = await createMesh({ service: 'benchmark', registry: `consul://${consul.host}` });
    await (await mesh.request('http://reviews/')).body.text();
    const known = () => mesh.status().services[0]?.endpoints.length ?? 0;
    while (known() < size) await sleep(250);
    const longest: number[] = [];
    for (let change = 1; change <= changes; change++) {
      const turns = new LongestTurn();
      await fill(consul, size + change - 1, size + change, port);
      await sleep(2_000);
      longest.push(turns.take());
      turns.stop();
      if (known() !== size + change) throw new Error(`${known()} endpoints are known`);
    }
    results[`${size} endpoints, longest turn`] = summary(longest);
    await mesh.close();
    await consul.dispose();
  }
  server.close();
  return results;
}
