/**
 * The server that every arm calls, in a process of its own: two ports, so that a mesh has something to balance.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

const json = JSON.stringify({
  id: 42,
  name: 'The Comedy of Errors',
  ratings: [5, 4],
  reviewer: 'Reviewer1',
  text: 'x'.repeat(120),
});
const mebibyte = Buffer.alloc(1024 * 1024, 'm');

const listener: RequestListener = (request, response) => {
  if (request.method === 'POST') {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.end(String(bytes)));
  } else if (request.url === '/mib') {
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('content-length', mebibyte.length);
    response.end(mebibyte);
  } else {
    response.setHeader('content-type', 'application/json');
    response.setHeader('content-length', Buffer.byteLength(json));
    response.end(json);
  }
};

const ports = await Promise.all(
  [0, 1].map(
    () =>
      new Promise<number>((resolve) => {
        const server = createServer({ keepAliveTimeout: 60_000 }, listener);
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
      }),
  ),
);
process.send?.(ports);
process.on('disconnect', () => process.exit(0));
