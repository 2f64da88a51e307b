/**
 * Where are figures kept? In files of benchmarks/results, one a command; tables and charts are made from these alone.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Outcomes } from './outcomes.ts';

/** A file of results: of each arm one outcome for each repetition. */
export interface Results<T = Outcomes> {
  readonly node: string;
  readonly repetitions: number;
  /** By experiment, then by arm. */
  readonly results: Readonly<Record<string, Readonly<Record<string, readonly T[]>>>>;
}

const formatter = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'));

function fileOf(name: string): URL {
  return new URL(`../results/${name}.json`, import.meta.url);
}

/** Writes benchmarks/results/`name`.json. */
export function writeResults<T>(name: string, repetitions: number, results: Results<T>['results']): void {
  const file: Results<T> = { node: process.version, repetitions, results };
  writeFileSync(fileOf(name), `${JSON.stringify(file)}\n`);
  execFileSync(process.execPath, [formatter, 'format', '--write', fileURLToPath(fileOf(name))], { stdio: 'ignore' });
}

/** Undefined for what was not run yet. */
export function readResults<T = Outcomes>(name: string): Results<T> | undefined {
  const file = fileOf(name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results<T>) : undefined;
}
