/**
 * The servers of an experiment, on sockets: a process that answers after a timer, as the profile of each says. Started by
 * an arm; `node server.ts <experiment>`. Messages: `{ addresses }` when it listens; on `start` its time begins, and its count; on `count`
 * it answers with `{ counts }`, the requests that each server has seen.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { FakeServer } from '../../../src/testing/fake-server.ts';
import { experimentNamed } from '../experiments.ts';

const { endpoints } = experimentNamed(process.argv[2] as string);
let startedAt = systemClock.now();
const clock = { ...systemClock, now: () => systemClock.now() - startedAt };
const counts = endpoints.map(() => 0);
const body = Buffer.alloc(16, 'x');

const servers = endpoints.map((profile, index) => {
  const state = new FakeServer(profile, clock, systemRandom);
  const server = createServer((request, response) => {
    counts[index] = (counts[index] as number) + 1;
    request.resume();
    const fault = state.drawFault();
    const leave = state.admit(() => {
      // Whoever has gone away is worked for all the same: nothing here looks.
      setTimeout(
        () => {
          leave?.();
          answer(response, fault?.kind === 'status' ? fault.status : (profile.status ?? 200));
        },
        state.draw(profile.latency ?? 5),
      );
    });
    if (leave === undefined) answer(response, 503);
  });
  // Longer than any client keeps a connection.
  server.keepAliveTimeout = 120_000;
  return server;
});

function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': body.length }).end(body);
}

const addresses = await Promise.all(
  servers.map(
    (server) =>
      new Promise<string>((resolve) => {
        server.listen(0, '127.0.0.1', 4_096, () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`));
      }),
  ),
);

process.on('message', (message) => {
  if (message === 'start') {
    startedAt = systemClock.now();
    counts.fill(0);
  } else if (message === 'count') process.send?.({ counts });
});
process.on('disconnect', () => process.exit());
process.send?.({ addresses });
