/**
 * What does it cost to pick a member, and does it stay the same from 10 to 10,000? Each balancer of the table of pickers,
 * in a cluster as the mesh makes it.
 *
 * Members report their load, for the balancers that read that; the weights that they report differ.
 *
 * - pick: ns, and in relation to `Math.random() + performance.now()`, measured in turn with it. All members weigh the same;
 *   next to that, how it is when their weights differ. The least of many short rounds counts: what else the machine does
 *   only adds.
 * - change: one endpoint of 10,000 is replaced by another: ms until the cluster has taken that and the next call is picked;
 *   and the longest of the next hundred picks, as a balancer may spread its work over them. Median and least.
 *
 * Writes benchmarks/results/balancing.json.
 *
 * node benchmarks/balancing/run.ts [--rounds 60] [--picks 20000] [--changes 200] [--only PEAK_EWMA,RING_HASH]
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { loadBalancerDefaults } from '../../src/balancing/load-balancer-options.ts';
import type { Picker } from '../../src/balancing/picker.ts';
import { pickers } from '../../src/balancing/pickers.ts';
import { Call } from '../../src/core/call.ts';
import { callDefaults } from '../../src/core/call-options.ts';
import { systemClock } from '../../src/core/clock.ts';
import { makeEndpoint } from '../../src/core/endpoint.ts';
import type { Member } from '../../src/core/member.ts';
import { systemRandom } from '../../src/core/random.ts';
import { Cluster } from '../../src/mesh/cluster.ts';
import { LiveMember } from '../../src/mesh/live-member.ts';
import { limitDefaults } from '../../src/resilience/limit/limit-options.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    picks: { type: 'string', default: '20000' },
    changes: { type: 'string', default: '200' },
    only: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
const picks = Number(values.picks);
const changes = Number(values.changes);

type Name = keyof typeof pickers;
const wanted = values.only.split(',');
const names = (Object.keys(pickers) as Name[]).filter((name) => values.only === '' || wanted.includes(name));
const sizes = [10, 100, 1_000, 10_000];

const transport = { stats: { connected: 0, running: 0, pending: 0 } } as never;
const observer = { memberTaken() {}, memberReleased() {} };
const noMembers: ReadonlySet<Member> = new Set();

/** Calls of as many users, for the balancers that hash. */
const calls = Array.from({ length: 4_096 }, (_, user) => {
  const headers = ['accept', 'application/json', 'x-request-id', 'f'.repeat(36), 'x-user', `user-${user}@example.com`];
  return new Call('bench', callDefaults, Number.POSITIVE_INFINITY, 0, 'GET', 'bench', '/item', headers, null, true);
});

function memberAt(index: number, name: Name, weight = 1): LiveMember {
  const host = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
  const member = new LiveMember(
    makeEndpoint({ host, port: 8080, weight }),
    pickers[name].metric(),
    transport,
    observer,
  );
  member.load.observe(10 + (index % 20), performance.now(), false);
  const report = {
    utilization: 0.1 + (index % 7) / 10,
    requestsPerSecond: 100,
    errorsPerSecond: 0,
    inFlight: index % 9,
  };
  member.load.report?.(member, report, performance.now());
  return member;
}

function clusterOf(name: Name): { cluster: Cluster; picker: Picker } {
  const hash = { ...loadBalancerDefaults.hash, source: { header: 'x-user' } };
  // Reports count at once.
  const weightedRoundRobin = { ...loadBalancerDefaults.weightedRoundRobin, blackoutMs: 0 };
  const picker = pickers[name].picker({ ...loadBalancerDefaults, name, hash, weightedRoundRobin }, systemRandom);
  const metrics = { pendingOverflows: 0, pendingTimeouts: 0 };
  const load = { inFlight: 0, metrics, turn: { granting: false, onFree() {} } };
  const settings = { picker, limits: limitDefaults, stack: undefined as never };
  return { picker, cluster: new Cluster('bench', undefined, settings, load, systemClock, systemRandom) };
}

let sink = 0;

function nanosecondsOfPicks(picker: Picker): number {
  const now = performance.now();
  for (let pick = 0; pick < picks; pick++) {
    sink += (picker.pick(calls[pick & 4_095], noMembers, now + pick / 1_000) as Member).inFlight;
  }
  return ((performance.now() - now) * 1e6) / picks;
}

function nanosecondsOfBase(): number {
  const start = performance.now();
  for (let time = 0; time < picks; time++) sink += Math.random() + performance.now();
  return ((performance.now() - start) * 1e6) / picks;
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] as number;
}

const rounded = (value: number) => Math.round(value * 100) / 100;

/** All arms in each round, so that what slows the machine slows them alike. */
function measurePicks() {
  const arms = names.flatMap((name) =>
    [...sizes.map((size) => ({ size, weighted: false })), { size: 10_000, weighted: true }].map((shape) => {
      const { cluster, picker } = clusterOf(name);
      const weight = (index: number) => (shape.weighted ? 1 + (index % 5) : 1);
      cluster.rebuild(Array.from({ length: shape.size }, (_, index) => memberAt(index, name, weight(index))));
      return { ...shape, name, picker, ns: Number.POSITIVE_INFINITY };
    }),
  );
  let baseNs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    for (const arm of arms) {
      baseNs = Math.min(baseNs, nanosecondsOfBase());
      // Its members come back into the cache, from which the other arms drove them.
      nanosecondsOfPicks(arm.picker);
      arm.ns = Math.min(arm.ns, nanosecondsOfPicks(arm.picker));
    }
  }
  return { baseNs, arms };
}

/** Replaces one endpoint of 10,000 after the other. */
function measureChanges(name: Name) {
  const { cluster, picker } = clusterOf(name);
  let members = Array.from({ length: 10_000 }, (_, index) => memberAt(index, name));
  cluster.rebuild(members);
  picker.pick(calls[0], noMembers, performance.now());
  const times: number[] = [];
  const later: number[] = [];
  for (let change = 0; change < changes; change++) {
    members = [...members.toSpliced((change * 7_919) % members.length, 1), memberAt(10_000 + change, name)];
    times.push(
      millisecondsOf(() => {
        cluster.rebuild(members);
        picker.pick(calls[change & 4_095], noMembers, performance.now());
      }),
    );
    const picksAfter = calls.slice(0, 100).map((call) => () => picker.pick(call, noMembers, performance.now()));
    later.push(Math.max(...picksAfter.map(millisecondsOf)));
  }
  return { first: spread(times), later: spread(later) };
}

function millisecondsOf(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function spread(times: readonly number[]) {
  return { median: rounded(median(times)), least: rounded(Math.min(...times)) };
}

const { baseNs, arms } = measurePicks();
const balancers = Object.fromEntries(
  names.map((name) => {
    const own = arms.filter((arm) => arm.name === name);
    const even = own.filter(({ weighted }) => !weighted);
    const ratio = Object.fromEntries(even.map(({ size, ns }) => [size, rounded(ns / baseNs)]));
    return [
      name,
      {
        ns: Object.fromEntries(even.map(({ size, ns }) => [size, rounded(ns)])),
        ratio,
        ratioOfWeights: rounded(own.find(({ weighted }) => weighted)!.ns / baseNs),
        growth: rounded(even.at(-1)!.ns / even[0]!.ns),
        changeMs: measureChanges(name),
      },
    ];
  }),
);
const result = {
  node: process.version,
  cpu: cpus()[0]?.model,
  rounds,
  picks,
  changes,
  baseNs: rounded(baseNs),
  balancers,
};

console.log(
  `ns per pick in relation to Math.random() + performance.now(), ${rounded(baseNs)} ns (Node ${process.version})`,
);
console.table(
  Object.fromEntries(
    Object.entries(balancers).map(([name, { ratio, ratioOfWeights, growth, changeMs }]) => [
      name,
      {
        ...ratio,
        'with weights': ratioOfWeights,
        'growth 10 to 10,000': growth,
        'change ms': `${changeMs.first.median} (${changeMs.first.least})`,
        'later pick ms': `${changeMs.later.median} (${changeMs.later.least})`,
      },
    ]),
  ),
);
if (values.only === '' && Number.isFinite(sink)) {
  const file = new URL('../results/balancing.json', import.meta.url);
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
}
