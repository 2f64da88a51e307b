/**
 * Repeats every published result, one after another, and makes tables and charts of them.
 *
 * node benchmarks/published/all.ts [--sockets] [--only-page]
 *
 * In simulated time: about ten minutes. With --sockets on sockets too, about an hour on a machine that does nothing else.
 * With --only-page nothing is run: tables and charts are made from the results that there are.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { sockets: { type: 'boolean', default: false }, 'only-page': { type: 'boolean', default: false } },
});

const simulated = ['balancers.ts', 'tail-at-scale.ts', 'retry-amplification.ts', 'metastable.ts'];
const runs = values['only-page'] ? [] : [...simulated, ...(values.sockets ? ['sockets/run.ts'] : [])];

for (const [script, ...options] of [...runs.map((run) => [run]), ['charts.ts'], ['tables.ts', '--write']]) {
  console.log(`\n${script}`);
  const path = fileURLToPath(new URL(script as string, import.meta.url));
  const { status } = spawnSync(process.execPath, [path, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
