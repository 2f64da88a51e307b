/**
 * Draws the pictures of docs/results.md into docs/charts, from the files in benchmarks/results.
 *
 * node benchmarks/published/charts.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { charts } from './charts-of-results.ts';

const folder = new URL('../../docs/charts/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const { file, svg } of charts()) {
  writeFileSync(new URL(file, folder), `${svg}\n`);
  console.log(`docs/charts/${file}`);
}
