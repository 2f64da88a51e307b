/**
 * Published results, repeated on sockets. The arms of a row run at the same time, each with a client and servers of its own,
 * so that whatever the machine does meets all of them; as many at once as it can bear, in another order in each repetition.
 * An arm that dies or hangs is left out and named.
 *
 * node benchmarks/published/sockets/run.ts [rows, such as 1,4; default all] [--repetitions 5] [--at-once 4]
 *
 * Writes benchmarks/results/sockets-<row>.json. Fewer than five repetitions are a trial: they are shown and not kept.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import { experimentNamed } from '../experiments.ts';
import { median, type Outcomes } from '../outcomes.ts';
import { writeResults } from '../results.ts';
import type { Answer } from './arm.ts';
import { end, nextMessage } from './child.ts';
import { type Row, rows } from './rows.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { repetitions: { type: 'string', default: '5' }, 'at-once': { type: 'string', default: '4' } },
});
const wanted = positionals[0]?.split(',') ?? Object.keys(rows);
const repetitions = Number(values.repetitions);
const atOnce = Number(values['at-once']);

/** What counts as a result. */
const leastRepetitions = 5;
/** Calls that are started this late (p99) say more about the machine than about the arms. */
const tooLateMs = 20;
/** Beyond its experiment: to start, to wait for the last calls, to close. */
const graceMs = 60_000;

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

for (const number of wanted) {
  const row = rows[number];
  if (row === undefined) throw new Error(`no row ${number}: there are ${Object.keys(rows).join(', ')}`);
  const results: Record<string, Record<string, Outcomes[]>> = {};
  for (const experiment of row.experiments) {
    const measured = await repeated(number, row, experiment);
    results[experiment] = measured;
    console.log(`\nrow ${number}: ${experiment}`);
    console.table(Object.fromEntries(Object.entries(measured).map(([arm, all]) => [arm, shown(all)])));
    const latest = Math.max(...Object.values(measured).flatMap((all) => all.map(({ lateMs = 0 }) => lateMs)));
    if (latest > tooLateMs)
      console.warn(`calls were started ${latest} ms late: the machine was too busy for valid figures`);
  }
  if (repetitions >= leastRepetitions) writeResults(`sockets-${number}`, repetitions, results);
}

async function repeated(number: string, row: Row, experiment: string): Promise<Record<string, Outcomes[]>> {
  const names = Object.keys(row.arms);
  const measured = Object.fromEntries(names.map((name): [string, Outcomes[]] => [name, []]));
  for (let repetition = 0; repetition < repetitions; repetition++) {
    // Not always next to the same ones, nor always the first.
    const turned = names.map((_, index) => names[(index + repetition) % names.length] as string);
    for (let first = 0; first < turned.length; first += atOnce) {
      for (const [name, one] of await together(number, experiment, turned.slice(first, first + atOnce))) {
        measured[name]?.push(one);
      }
    }
  }
  return Object.fromEntries(Object.entries(measured).filter(([, all]) => all.length > 0));
}

/** Arms once, at the same time; those that came to an end. */
async function together(number: string, experiment: string, names: readonly string[]): Promise<[string, Outcomes][]> {
  const started = await Promise.all(
    names.map(async (name) => {
      const child = fork(new URL('./arm.ts', import.meta.url), [number, experiment, name]);
      children.add(child);
      child.once('exit', () => children.delete(child));
      const ready = await nextMessage<Answer | 'ready'>(child, name, graceMs).catch(given(name));
      return { name, child, ready };
    }),
  );
  const answers = started.map(async ({ name, child, ready }): Promise<[string, Outcomes][]> => {
    if (ready !== 'ready') {
      if (ready?.error !== undefined) given(name)(ready.error);
      await end(child);
      return [];
    }
    const coming = nextMessage<Answer>(child, name, experimentNamed(experiment).durationMs + graceMs).catch(
      given(name),
    );
    child.send('start');
    const answer = await coming;
    await end(child);
    if (answer?.error !== undefined) given(name)(answer.error);
    return answer?.measured ? [[name, answer.measured]] : [];
  });
  return (await Promise.all(answers)).flat();
}

function given(name: string): (error: unknown) => undefined {
  return (error) => {
    console.error(`${name} is left out: ${String(error)}`);
    return undefined;
  };
}

function shown(all: readonly Outcomes[]): Record<string, string | number> {
  const middle = (pick: (one: Outcomes) => number | null | undefined) =>
    median(all.map((one) => pick(one) ?? Number.NaN));
  const at = (index: number) => `${middle(({ latenciesMs }) => latenciesMs[index]).toFixed(0)} ms`;
  return {
    success: `${(100 * middle(({ success }) => success)).toFixed(3)}%`,
    p50: at(0),
    p99: at(4),
    'p99.9': at(6),
    'first server': `${(100 * middle(({ shares }) => shares[0])).toFixed(2)}%`,
    amplification: `${middle(({ amplification }) => amplification).toFixed(2)}×`,
    'started late (p99)': `${middle(({ lateMs }) => lateMs).toFixed(1)} ms`,
    repetitions: all.length,
  };
}
