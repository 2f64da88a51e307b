#!/usr/bin/env node
/**
 * What can be done from a shell? `inmesh check` tells whether a document is valid, and `inmesh simulate` what it would do,
 * before it is deployed; `inmesh registry` publishes it.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { check } from './check.ts';
import { registryActions, registryCommand } from './registry-command.ts';
import { simulateOptions } from './simulate/plan-runs.ts';
import { simulate } from './simulate/simulate.ts';

const usage = `usage: inmesh check <file or folder> …            validates mesh documents
       inmesh registry apply <file>                validates a document and publishes it
       inmesh registry get                         prints a document as it is in force
       inmesh registry diff <file>                 prints what applying the file would change; exit code 1 if anything
       inmesh registry history                     prints the versions that are kept
       inmesh registry rollback [--to <version>]   publishes the former version again, or the one named
       inmesh registry watchers                    prints what each process runs on, and what it refuses and why
           --registry <address>   such as consul://127.0.0.1:8500; default: the environment variable INMESH_REGISTRY
           --name <document>      default: the name of the file, else the only document that is there
           --expect <version>     write only over this version; default: the one that is there
           --strict               warnings are problems
       inmesh simulate <file or folder> …          runs documents in simulated time, and prints what they would do
           --scenario <names>     all, or some of: steady, slow-endpoint, sinkhole, overload, zone-loss, … ; says which
           --against <file>       runs another document too, to compare
           --service <host>       what it happens to; default: the first service
           --rps, --latency, --concurrency, --duration, --slow, --endpoints, --seed, --method, --url, --locality   the load
           --svg <file>, --html <file>   writes charts
       inmesh --version                            prints the version
       inmesh --help                               prints this
`;

const unusable = 2;
const streams = { out: process.stdout, err: process.stderr };

async function main(): Promise<number> {
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read();
  } catch (error) {
    return explain((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.version) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const [command, ...rest] = positionals;
  if (command === 'check') return rest.length > 0 ? check(rest, process.stdout, process.stderr) : explain();
  if (command === 'registry') return registry(rest, values);
  if (command === 'simulate') return rest.length > 0 ? simulate(rest, values, streams) : explain();
  return explain(command === undefined ? undefined : `unknown command ${command}`);
}

function registry(
  [given, ...files]: readonly string[],
  values: ReturnType<typeof read>['values'],
): Promise<number> | number {
  const action = registryActions.find((one) => one === given);
  if (action === undefined) return explain(given === undefined ? undefined : `unknown command registry ${given}`);
  const address = values.registry ?? process.env.INMESH_REGISTRY;
  if (address === undefined) return explain('which registry? --registry or the environment variable INMESH_REGISTRY');
  const { name, expect, to, strict = false } = values;
  if (to !== undefined && action !== 'rollback') return explain(`--to is for rollback, not for ${action}`);
  return registryCommand(action, files, { registry: address, name, expect, to, strict }, streams);
}

function explain(problem?: string): number {
  process.stderr.write(problem === undefined ? usage : `inmesh: ${problem}\n${usage}`);
  return unusable;
}

function read() {
  return parseArgs({
    allowPositionals: true,
    options: {
      version: { type: 'boolean', short: 'v' },
      help: { type: 'boolean', short: 'h' },
      registry: { type: 'string' },
      name: { type: 'string' },
      expect: { type: 'string' },
      to: { type: 'string' },
      strict: { type: 'boolean' },
      ...simulateOptions,
    },
  });
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

// A reader that has seen enough, such as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await main();
