/**
 * Published results, repeated on sockets. Each repetition runs all arms of a row at the same time, each with a client and
 * servers of its own, so that whatever the machine does meets all of them; figures are medians over the repetitions.
 *
 * node benchmarks/published/sockets/run.ts [rows, such as 1,4; default all] [--repetitions 5]
 *
 * Writes benchmarks/results/sockets-<row>.json.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Measured } from './arm.ts';
import { rows } from './rows.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { repetitions: { type: 'string', default: '5' } },
});
const wanted = positionals[0]?.split(',') ?? Object.keys(rows);
const repetitions = Number(values.repetitions);

for (const row of wanted) {
  const results: Record<string, Record<string, Measured[]>> = {};
  for (const experiment of rows[row]?.experiments ?? []) {
    const measured: Record<string, Measured[]> = {};
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const [arm, one] of Object.entries(await repeat(row, experiment))) {
        if (one !== null) measured[arm] = [...(measured[arm] ?? []), one];
      }
    }
    results[experiment] = measured;
    console.log(`\nrow ${row}: ${experiment}`);
    console.table(Object.fromEntries(Object.entries(measured).map(([arm, all]) => [arm, shown(all)])));
  }
  const file = new URL(`../../results/sockets-${row}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify({ node: process.version, repetitions, results })}\n`);
}

/** All arms once, at the same time. */
async function repeat(row: string, experiment: string): Promise<Record<string, Measured | null>> {
  const names = Object.keys(rows[row]?.arms ?? {});
  const arms: [string, ChildProcess][] = [];
  for (const name of names) {
    const child = fork(new URL('./arm.ts', import.meta.url), [row, experiment, name]);
    await once(child, 'message');
    arms.push([name, child]);
  }
  for (const [, child] of arms) child.send('start');
  const answers = arms.map(async ([name, child]): Promise<[string, Measured | null]> => {
    const [{ measured }] = (await once(child, 'message')) as [{ measured: Measured | null }];
    return [name, measured];
  });
  return Object.fromEntries(await Promise.all(answers));
}

function shown(all: readonly Measured[]): Record<string, string> {
  const median = (pick: (one: Measured) => number) =>
    all.map(pick).sort((a, b) => a - b)[Math.floor(all.length / 2)] as number;
  const at = (index: number) => `${median((one) => one.latenciesMs[index] as number).toFixed(0)} ms`;
  return {
    success: `${(100 * median((one) => one.success)).toFixed(3)}%`,
    p50: at(0),
    p99: at(4),
    'p99.9': at(6),
    'first server': `${(100 * median((one) => one.shares[0] as number)).toFixed(2)}%`,
    amplification: `${median((one) => one.amplification).toFixed(2)}×`,
    'started late (p99)': `${median((one) => one.lateMs).toFixed(1)} ms`,
  };
}
