/**
 * Which balancer keeps calls away from an endpoint that is slow, broken or far weaker? Published experiments, repeated for
 * each balancer there is, for what may stand beside it, and for an oracle:
 *
 * - slow server (Linkerd, "Beyond Round Robin", 2016): 11 servers of 167 ms; after 15 s one answers in 2 s, for 30 s; an
 *   answer above 1 s is a failure. Published: round robin 95%, least loaded 99%, peak EWMA 99.9%.
 * - sinkhole (linkerd2#11669): one of three servers answers 500 at once, the others 200 after 100 ms.
 * - fast and slow (linkerd2#5017): 1 ms and 50 ms. Published: 489.7 against 0.1 calls a second.
 * - uneven servers (Prequal, NSDI 2024, C2): 14 of 50 ms and 2 of 16 times that. Published p99: 94 ms (Prequal), 807 ms (round
 *   robin), 803 ms (least connections); p99.9: 272, 888, 1,007 ms.
 * - bad pod (Linkerd's circuit breaking demo): 10 calls a second to two pods, one fails. Published: 50% to 99.83%.
 *
 * In simulated time, five seeds. Writes benchmarks/results/balancers.json.
 *
 * node benchmarks/published/balancers.ts [--arms hedging]
 */
import { oracle } from './oracle.ts';
import { median, type Outcomes, quantiles } from './outcomes.ts';
import { balancerPolicies } from './policies.ts';
import { compare, keep, meshArms } from './scenario.ts';

const names = ['slow server', 'sinkhole', 'fast and slow', 'uneven servers', 'bad pod'];

/** For the balancers that hash: whoever calls is somebody else. */
const arms = {
  ...meshArms(balancerPolicies, { overrides: (index) => ({ hashKey: `user-${index}` }) }),
  oracle,
};

const results: Record<string, Record<string, readonly Outcomes[]>> = {};
for (const name of names) {
  const outcomes = await compare(name, arms);
  results[name] = outcomes;
  console.log(`\n${name}`);
  console.table(Object.fromEntries(Object.entries(outcomes).map(([arm, all]) => [arm, shown(all)])));
}
keep('balancers', results);

function shown(all: readonly Outcomes[]) {
  const at = (q: (typeof quantiles)[number]) =>
    Math.round(median(all.map(({ latenciesMs }) => latenciesMs[quantiles.indexOf(q)] ?? Number.NaN)));
  return {
    'success, %': (100 * median(all.map(({ success }) => success))).toFixed(3),
    'first server, %': (100 * median(all.map(({ shares }) => shares[0] as number))).toFixed(2),
    'p50, ms': at(0.5),
    'p99, ms': at(0.99),
    'p99.9, ms': at(0.999),
  };
}
