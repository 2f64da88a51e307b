/**
 * A process that serves, and drains when it is told to end. Its registry is a file that it appends to.
 *
 * `drain-process.ts <log file> <handleSignals>`
 */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh } from '../../src/index.ts';

const [, , file = '', handleSignals] = process.argv;
const log = (line: string) => appendFileSync(file, `${line}\n`);

const mesh = await createMesh({
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
