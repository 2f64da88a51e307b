#!/usr/bin/env node
/**
 * What can be done from a shell? `inmesh check` tells whether a document is valid, before it is deployed.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { check } from './check.ts';

const usage = `usage: inmesh check <file or folder> …   validates mesh documents
       inmesh --version                   prints the version
       inmesh --help                      prints this
`;

const unusable = 2;

async function main(): Promise<number> {
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read();
  } catch (error) {
    process.stderr.write(`inmesh: ${(error as Error).message}\n${usage}`);
    return unusable;
  }
  const { values, positionals } = parsed;
  if (values.version) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const [command, ...paths] = positionals;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (command === 'check' && paths.length > 0) return check(paths, process.stdout, process.stderr);
  process.stderr.write(
    command === undefined || command === 'check' ? usage : `inmesh: unknown command ${command}\n${usage}`,
  );
  return unusable;
}

function read() {
  return parseArgs({
    allowPositionals: true,
    options: { version: { type: 'boolean', short: 'v' }, help: { type: 'boolean', short: 'h' } },
  });
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

process.exitCode = await main();
