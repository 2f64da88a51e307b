/**
 * What does a second request save where many answers make one page? A page asks for 100 keys on 100 servers and is as slow as
 * the slowest answer; one in a thousand takes 0.5 to 1.8 s ("The Tail at Scale", Dean and Barroso, CACM 2013: p99.9 of all keys
 * from 1,800 to 74 ms for 2% more requests, hedged after 10 ms).
 *
 * In simulated time. Writes benchmarks/results/tail-at-scale.json. node benchmarks/published/tail-at-scale.ts
 */
import { writeFileSync } from 'node:fs';
import { latency, simulateMesh } from '../../src/testing/index.ts';
import { type Policy, percent, quantile } from './scenario.ts';

const servers = 100;
const keys = 100;
const pages = 3_000;
const pageEveryMs = 100;
const slowShare = 1 / 1_000;

const usual = latency.logNormal(4, 9);
const slow = latency.uniform(500, 1_800);
const drawn = typeof usual === 'function' && typeof slow === 'function' ? { usual, slow } : undefined;

const wide: Policy = {
  connectionPool: {
    http: { http2MaxRequests: 1_000_000, http1MaxPendingRequests: 1_000_000 },
    tcp: { maxConnections: 100_000 },
  },
};
const arms: Readonly<Record<string, Policy>> = {
  'no hedging': wide,
  'hedging, 1%': { ...wide, hedge: { maxExtraLoad: 1 } },
  'hedging, 2%': { ...wide, hedge: { maxExtraLoad: 2 } },
};

async function run(trafficPolicy: Policy) {
  const endpoints = Array.from({ length: servers }, (_, index) => ({ address: `10.0.0.${index + 1}:80` }));
  const simulation = await simulateMesh({
    document: { services: [{ host: 'keys', endpoints, trafficPolicy }] },
    seed: 1,
    defaultProfile: {
      latency: (random, now) => (random.next() < slowShare ? drawn?.slow(random, now) : drawn?.usual(random, now)) ?? 0,
    },
  });
  const { clock, mesh, network } = simulation;
  const pageMs: number[] = [];
  let calls = 0;
  const page = async () => {
    const startedAt = clock.now();
    const all = Array.from({ length: keys }, async () => {
      calls++;
      const { body } = await mesh.request('http://keys/');
      await body.dump();
    });
    await Promise.all(all);
    pageMs.push(clock.now() - startedAt);
  };
  const pending: Promise<void>[] = [];
  let sent = 0;
  for (let index = 0; index < pages; index++) {
    pending.push(page());
    await clock.advance(pageEveryMs);
    // What servers saw is only counted: a million of them need not be kept.
    sent += network.received.splice(0).length;
  }
  await clock.advance(5_000);
  await Promise.all(pending);
  sent += network.received.length;
  const closing = mesh.close({ timeoutMs: 1 });
  await clock.advance(10);
  await closing;
  // Pages of the first second teach the delay.
  const sorted = pageMs.slice(10).sort((a, b) => a - b);
  return {
    p50: `${quantile(sorted, 0.5).toFixed(0)} ms`,
    p99: `${quantile(sorted, 0.99).toFixed(0)} ms`,
    'p99.9': `${quantile(sorted, 0.999).toFixed(0)} ms`,
    'more requests': percent(sent / calls - 1),
  };
}

const results: Record<string, Awaited<ReturnType<typeof run>>> = {};
for (const [name, policy] of Object.entries(arms)) results[name] = await run(policy);
console.table(results);
writeFileSync(
  new URL('../results/tail-at-scale.json', import.meta.url),
  `${JSON.stringify({ node: process.version, results }, undefined, 2)}\n`,
);
