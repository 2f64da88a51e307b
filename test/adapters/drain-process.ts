/**
 * A process that serves, and drains when it is told to end. Its registry is a file that it appends to.
 *
 * `drain-process.ts <log file> <handleSignals> <meshes>`
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh, type Mesh } from '../../src/index.ts';

const [, , file = '', handleSignals, meshes] = process.argv;
const log = (line: string) => appendFileSync(file, `${line}\n`);

async function openMesh(): Promise<Mesh> {
  return createMesh({
    service: 'reviews',
    handleSignals: handleSignals === 'true',
    registry: {
      name: 'log:',
      watchEndpoints: () => ({ close: () => log('watches closed') }),
      register: async () => {
        log('registered');
        return { deregister: async () => log('deregistered') };
      },
      close: async () => log('registry closed'),
    },
  });
}

// The first of several has nothing to wait for.
for (let idle = 1; idle < Number(meshes); idle++)
  await openMesh().then((mesh) => mesh.register({ port: 1, address: 'a' }));
const mesh = await openMesh();
const inbound = mesh.inbound();
const server = createServer((request, response) =>
  inbound(request, response, () => {
    log('request');
    response.flushHeaders();
    // The end of the answer comes when the client has seen its head, and ended the body of its request.
    request.resume().once('end', () => {
      log('answer');
      response.end('whole');
    });
  }),
).listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as AddressInfo;
  await mesh.register({ port, address: '127.0.0.1' });
  process.send?.({ port });
});
