/**
 * Does every client work over every transport, on the Node that runs this? `node test/compat/suite.ts` prints each
 * failure and a count, and exits with 1 when there is one.
 */
import { Bench } from '../adapters/bench.ts';
import { cases, connectionCases, importCases } from './cases.ts';
import { clients } from './clients.ts';
import { transports } from './transports.ts';

/** What became of a case. */
export interface Result {
  readonly name: string;
  /** Why it failed; undefined when it did not. */
  readonly error: unknown;
}

/** No case may take longer, in ms. */
const longestMs = 10_000;

async function attempt(name: string, run: () => Promise<void>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${longestMs} ms`)), longestMs);
  });
  try {
    await Promise.race([run(), overdue]);
    return { name, error: undefined };
  } catch (error) {
    return { name, error };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs everything. */
export async function runSuite(): Promise<Result[]> {
  const results: Result[] = [];
  for (const transport of transports) {
    const bench = new Bench();
    const mesh = await transport.open(bench);
    for (const client of clients) {
      for (const [name, run] of Object.entries(cases)) {
        results.push(await attempt(`${transport.name}: ${client.name} ${name}`, () => run(client, mesh, transport)));
      }
    }
    await bench.close();
  }
  for (const [name, run] of Object.entries({ ...connectionCases, ...importCases })) {
    const bench = new Bench();
    results.push(await attempt(name, () => run(bench)));
    await bench.close();
  }
  return results;
}

if (process.argv[1] === import.meta.filename) {
  const unhandled: unknown[] = [];
  process.on('unhandledRejection', (reason) => unhandled.push(reason));
  const results = await runSuite();
  const failed = results.filter(({ error }) => error !== undefined);
  for (const { name, error } of failed) console.error(`FAILED ${name}\n`, error);
  for (const reason of unhandled) console.error('UNHANDLED\n', reason);
  console.log(`Node ${process.versions.node}: ${results.length - failed.length} of ${results.length} passed`);
  process.exitCode = failed.length + unhandled.length === 0 ? 0 : 1;
}
