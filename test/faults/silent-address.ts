import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Bench } from '../adapters/bench.ts';

/** Listens with the shortest backlog, and never accepts: its thread sleeps. */
const sleeper = `
  const { createServer } = require('node:net');
  const { parentPort } = require('node:worker_threads');
  const server = createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

/** More than fit into the backlog. */
const fillers = 8;

/** An address on this machine that answers no connection: its backlog is full, so the kernel drops each SYN. */
export async function silentAddress(bench: Bench): Promise<string> {
  const worker = new Worker(sleeper, { eval: true });
  bench.onClose(() => worker.terminate());
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  // The message may come before the thread sleeps; what it accepts until then leaves room in the backlog.
  await new Promise((resolve) => setImmediate(resolve));
  for (let count = 0; count < fillers; count++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    bench.onClose(() => socket.destroy());
  }
  return `127.0.0.1:${port}`;
}
