/**
 * The smallest program with a mesh: a service, and a client that calls it by name.
 *
 * npm run build && node examples/quick-start/main.ts
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh } from 'inmesh';

// The service: it fails now and then, and for /slow it takes its time.
let requests = 0;
const server = createServer((request, response) => {
  requests++;
  if (request.url === '/slow') return;
  response.statusCode = requests % 3 === 0 ? 503 : 200;
  response.end(`hello ${request.url?.slice(1)}`);
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

// The mesh: here from a document in the program; `registry: 'file:./mesh.yaml'` reads and watches a file.
const mesh = await createMesh({
  service: 'quick-start',
  registry: { services: [{ host: 'greeter', endpoints: [{ address: `127.0.0.1:${port}` }] }] },
});

// A service is called by its name. What fails is asked again, within a budget.
for (const name of ['Ada', 'Grace', 'Barbara']) {
  const response = await mesh.fetch(`http://greeter/${name}`);
  console.log(response.status, await response.text());
}
console.log(`${requests} requests for 3 calls`);

// Each call may have its own limits, and an answer for when they are reached.
const answer = await mesh.fetch('http://greeter/slow', {
  mesh: { timeoutMs: 100, retries: false, fallback: () => new Response('hello, whoever you are') },
});
console.log(answer.status, await answer.text());

// A host that is not in the registry is refused.
await mesh.fetch('http://elsewhere/').catch((error) => console.log(error.cause.message));

await mesh.close();
server.close();
server.closeAllConnections();
