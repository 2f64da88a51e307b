/**
 * What is the mesh's own part of a call? The same arms as in benchmarks/overhead, over a connection that answers from
 * memory: no sockets, no server, no parser. The figures are small and steady, so that a change of the hot path shows.
 *
 * node benchmarks/pipeline/run.ts [--rounds 9] [--calls 20000] [--concurrency 32] [--arms undici]
 */
import { parseArgs } from 'node:util';
import { request as undiciRequest } from 'undici';
import { assembleMesh } from '../../dist/adapters/create-mesh.js';
import { success } from '../../dist/core/outcome.js';
import { IncomingReply } from '../../dist/http/incoming-reply.js';
import { everything, features, type Policy, usual } from '../policies.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    calls: { type: 'string', default: '20000' },
    concurrency: { type: 'string', default: '32' },
    arms: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
const calls = Number(values.calls);
const concurrency = Number(values.concurrency);

const bytes = Buffer.from(JSON.stringify({ id: 42, text: 'x'.repeat(200) }));
const headers = { 'content-type': 'application/json', 'content-length': String(bytes.length) };
const rawHeaders = Object.entries(headers).flatMap((pair) => pair.map((text) => Buffer.from(text)));
const control = { pause() {}, resume() {}, abort() {} };

/** Answers in the next turn of the event loop, as a socket does. */
const connection = {
  send: (attempt: { sent: string }) =>
    new Promise<IncomingReply>((resolve) => {
      attempt.sent = 'maybe';
      setImmediate(() => {
        const reply = new IncomingReply(200, 'OK', { ...headers }, rawHeaders, success, control);
        resolve(reply);
        reply.body.push(Buffer.from(bytes));
        reply.body.finish();
      });
    }),
  stats: { connected: 0, running: 0, pending: 0 },
  connect: async () => {},
  close: async () => {},
  destroy: async () => {},
};

/** What built-in fetch costs over a dispatcher that does nothing but answer. */
const nothing = {
  // biome-ignore lint/suspicious/noExplicitAny: both protocols of undici's handlers, by duck typing
  dispatch(_options: unknown, handler: any) {
    const controller = { rawHeaders, rawTrailers: [], abort() {}, pause() {}, resume() {} };
    if (handler.onRequestStart) handler.onRequestStart(controller, {});
    else handler.onConnect?.(() => {}, null);
    setImmediate(() => {
      if (handler.onRequestStart) {
        handler.onResponseStart(controller, 200, { ...headers }, 'OK');
        handler.onResponseData(controller, Buffer.from(bytes));
        handler.onResponseEnd(controller, {});
      } else {
        handler.onHeaders(200, rawHeaders, () => {}, 'OK');
        handler.onData(Buffer.from(bytes));
        handler.onComplete([]);
      }
    });
    return true;
  },
};

function open(trafficPolicy: Policy) {
  const endpoints = [1, 2].map((port) => ({ address: `127.0.0.1:${port}`, locality: 'eu/eu-1' }));
  const registry = { services: [{ host: 'upstream', endpoints, trafficPolicy }] };
  return assembleMesh({ service: 'bench', registry, locality: 'eu/eu-1' }, { connect: () => connection as never });
}

const mesh = await open(usual);

const url = 'http://upstream/json';
const meshes = [mesh];
const through = (dispatcher: unknown) => ({ dispatcher }) as unknown as RequestInit;
const all: Record<string, () => Promise<unknown>> = {
  'mesh.request': async () => (await mesh.request(url)).body.text(),
  ...Object.fromEntries(
    await Promise.all(
      Object.entries({ ...features, everything }).map(async ([name, policy]) => {
        const one = await open({ ...usual, ...policy });
        meshes.push(one);
        return [`mesh.request, with ${name}`, async () => (await one.request(url)).body.text()] as const;
      }),
    ),
  ),
  'mesh.fetch': async () => (await mesh.fetch(url)).text(),
  'undici.request, a dispatcher that does nothing': async () =>
    (await undiciRequest(url, { dispatcher: nothing as never })).body.text(),
  'undici.request, mesh.dispatcher': async () =>
    (await undiciRequest(url, { dispatcher: mesh.dispatcher })).body.text(),
  'built-in fetch, a dispatcher that does nothing': async () => (await fetch(url, through(nothing))).text(),
  'built-in fetch, mesh.dispatcher': async () => (await fetch(url, through(mesh.dispatcher))).text(),
};

const wanted = values.arms.split(',');
const arms = Object.entries(all).filter(([name]) => values.arms === '' || wanted.some((part) => name.includes(part)));

async function run(call: () => Promise<unknown>, count: number): Promise<number> {
  let left = count;
  const cpu = process.cpuUsage();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await call();
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / count;
}

const figures = new Map<string, number[]>();
for (let round = 0; round < rounds; round++) {
  for (const [name, call] of arms) {
    await run(call, calls / 4);
    figures.set(name, [...(figures.get(name) ?? []), await run(call, calls)]);
  }
}
console.log(`CPU per call without a network (Node ${process.version}, median of ${rounds} rounds of ${calls} calls)`);
console.table(
  Object.fromEntries(
    [...figures].map(([name, samples]) => {
      const sorted = samples.toSorted((a, b) => a - b);
      return [name, { µs: (sorted[rounds >> 1] as number).toFixed(2), least: (sorted[0] as number).toFixed(2) }];
    }),
  ),
);
await Promise.all(meshes.map((one) => one.close()));
