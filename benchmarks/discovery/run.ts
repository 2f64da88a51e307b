/**
 * How soon does a change in a registry reach a call, and what does a large registry cost the process? Measured against
 * real servers on loopback (scripts/backends.sh brings them).
 *
 * - change: from the moment a write to Consul or etcd is sent until the start of the first call that follows it.
 * - many: 1,000 services of 100 endpoints each in etcd: the first call to each of them, and the heap per endpoint.
 * - deltas: what one change costs the event loop at 10,000 endpoints of one service in etcd, which sends differences.
 * - states: the same in Consul, which sends the whole state each time: what it costs, and the longest turn of the loop.
 * - outages: a minute without registry under 500 calls a second.
 *
 * Writes benchmarks/results/discovery.json. node --expose-gc benchmarks/discovery/run.ts [--only change,many,deltas,states,outages]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { changeToCall } from './change-to-call.ts';
import { consulStates } from './consul-states.ts';
import { etcdDeltas } from './etcd-deltas.ts';
import { manyServices } from './many-services.ts';
import { outages } from './outages.ts';

const { values } = parseArgs({ options: { only: { type: 'string', default: 'change,many,deltas,states,outages' } } });
const parts = { change: changeToCall, many: manyServices, deltas: etcdDeltas, states: consulStates, outages };

const results: Record<string, unknown> = { node: process.version };
for (const [name, measure] of Object.entries(parts)) {
  if (!values.only.split(',').includes(name)) continue;
  console.log(`\n${name}`);
  const result = await measure();
  results[name] = result;
  console.table(result);
}
const file = new URL('../results/discovery.json', import.meta.url);
if (Object.keys(results).length === 6) writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
