/**
 * The metrics of a mesh in a registry of prom-client, served for Prometheus beside the program's own.
 *
 * npm run build && node examples/prometheus/main.ts
 */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh } from 'inmesh';
import { Counter, Registry } from 'prom-client';

async function listen(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

// A service with two replicas, one of which is broken.
const well = await listen((_, response) => response.end('42'));
const broken = await listen((_, response) => response.writeHead(500).end());
const mesh = await createMesh({
  service: 'shop',
  registry: {
    services: [{ host: 'prices', endpoints: [well, broken].map(({ port }) => ({ address: `127.0.0.1:${port}` })) }],
  },
});

// One registry for everything that is scraped.
const registry = new Registry();
const orders = new Counter({ name: 'shop_orders_total', help: 'Orders.', registers: [registry] });
mesh.metrics.attach(registry);
const metrics = await listen(async (_, response) => {
  response.setHeader('content-type', registry.contentType).end(await registry.metrics());
});

for (let order = 0; order < 100; order++) {
  const { body } = await mesh.request('http://prices/book');
  await body.text();
  orders.inc();
}

// What Prometheus would see. Prices failed at times; orders did not.
const scraped = await fetch(`http://127.0.0.1:${metrics.port}/metrics`);
const lines = (await scraped.text()).split('\n');
const shown =
  /^(shop_orders|inmesh_calls_total|inmesh_attempts_total|inmesh_retries|inmesh_ejections|inmesh_endpoints)/;
console.log(lines.filter((line) => shown.test(line)).join('\n'));

await mesh.close();
for (const { server } of [well, broken, metrics]) {
  server.close();
  server.closeAllConnections();
}
