/**
 * Prints the tables of docs/results.md, made from the files in benchmarks/results. With --write they take their places in the
 * page.
 *
 * node benchmarks/published/tables.ts [--write]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { allBlocks, refreshed } from './page.ts';

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const page = new URL('../../docs/results.md', import.meta.url);

if (values.write) writeFileSync(page, refreshed(readFileSync(page, 'utf8')));
else for (const [name, block] of Object.entries(allBlocks())) console.log(`\n${name}\n\n${block}`);
