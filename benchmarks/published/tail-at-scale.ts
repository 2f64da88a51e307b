/**
 * What does a second request save where many answers make one page? A page asks for 100 keys on 100 servers and is as slow as
 * the slowest answer; one in a thousand takes 0.5 to 1.8 s ("The Tail at Scale", Dean and Barroso, CACM 2013: p99.9 of all keys
 * from 1,800 to 74 ms for 2% more requests, hedged after 10 ms).
 *
 * In simulated time, 3,000 pages with each of five seeds. Writes benchmarks/results/tail-at-scale.json.
 *
 * node benchmarks/published/tail-at-scale.ts [--arms 1%]
 */
import { latency, simulateMesh } from '../../src/testing/index.ts';
import { median, quantile, rounded } from './outcomes.ts';
import { type Policy, roomy } from './policies.ts';
import { keep, repeat } from './scenario.ts';

const servers = 100;
const keys = 100;
const pages = 3_000;
const pageEveryMs = 100;
const slowShare = 1 / 1_000;
/** Pages of the first second teach the delay, and are left out. */
const lessons = 10;

const usual = latency.logNormal(4, 9);
const slow = latency.uniform(500, 1_800);
const drawn = typeof usual === 'function' && typeof slow === 'function' ? { usual, slow } : undefined;

/** What the pages of one arm took, with one seed. */
export interface Pages {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** As a share of the calls. */
  readonly moreRequests: number;
}

async function run(trafficPolicy: Policy, seed: number): Promise<Pages> {
  const endpoints = Array.from({ length: servers }, (_, index) => ({ address: `10.0.0.${index + 1}:80` }));
  const simulation = await simulateMesh({
    document: { services: [{ host: 'keys', endpoints, trafficPolicy: { ...roomy, ...trafficPolicy } }] },
    seed,
    defaultProfile: {
      latency: (random, now) => (random.next() < slowShare ? drawn?.slow(random, now) : drawn?.usual(random, now)) ?? 0,
    },
  });
  const { clock, mesh, network } = simulation;
  const pageMs: number[] = [];
  const page = async (index: number) => {
    const startedAt = clock.now();
    const all = Array.from({ length: keys }, async () => {
      const { body } = await mesh.request('http://keys/');
      await body.dump();
    });
    await Promise.all(all);
    pageMs[index] = clock.now() - startedAt;
  };
  const pending: Promise<void>[] = [];
  let sent = 0;
  for (let index = 0; index < pages; index++) {
    pending.push(page(index));
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
  const sorted = pageMs.slice(lessons).sort((a, b) => a - b);
  return {
    p50Ms: rounded(quantile(sorted, 0.5), 1),
    p99Ms: rounded(quantile(sorted, 0.99), 1),
    p999Ms: rounded(quantile(sorted, 0.999), 1),
    moreRequests: rounded(sent / (pages * keys) - 1, 5),
  };
}

const arms: Readonly<Record<string, Policy>> = {
  'no hedging': {},
  'hedging, 1%': { hedge: { maxExtraLoad: 1 } },
  'hedging, 2%': { hedge: { maxExtraLoad: 2 } },
};
const results = await repeat(
  Object.fromEntries(
    Object.entries(arms).map(([name, policy]): [string, (seed: number) => Promise<Pages>] => [
      name,
      (seed) => run(policy, seed),
    ]),
  ),
);
console.table(
  Object.fromEntries(
    Object.entries(results).map(([arm, all]) => [
      arm,
      {
        'p50, ms': median(all.map(({ p50Ms }) => p50Ms)),
        'p99, ms': median(all.map(({ p99Ms }) => p99Ms)),
        'p99.9, ms': median(all.map(({ p999Ms }) => p999Ms)),
        'p99.9 of each seed, ms': all.map(({ p999Ms }) => Math.round(p999Ms)).join(' '),
        'more requests, %': (100 * median(all.map(({ moreRequests }) => moreRequests))).toFixed(2),
      },
    ]),
  ),
);
keep('tail-at-scale', { 'a page of 100 keys': results });
