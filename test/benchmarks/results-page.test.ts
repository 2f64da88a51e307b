import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { charts } from '../../benchmarks/published/charts-of-results.ts';
import { allBlocks, refreshed } from '../../benchmarks/published/page.ts';

const page = readFileSync('docs/results.md', 'utf8');
const howTo = 'node benchmarks/published/all.ts --only-page';

it('shows the tables that are made of the result files', () => {
  expect(refreshed(page) === page, howTo).toBe(true);
});

it('shows every table', () => {
  const shown = [...page.matchAll(/<!-- figures: (.+?) -->/g)].map((match) => match[1]);
  expect(shown.sort()).toEqual(Object.keys(allBlocks()).sort());
});

it('shows the pictures that are made of the result files', () => {
  const drawn = charts();
  expect(readdirSync('docs/charts').sort()).toEqual(drawn.map(({ file }) => file).sort());
  const other = drawn.filter(({ file, svg }) => readFileSync(`docs/charts/${file}`, 'utf8') !== `${svg}\n`);
  expect(
    other.map(({ file }) => file),
    howTo,
  ).toEqual([]);
});

it('refuses a mark without figures', () => {
  expect(() => refreshed('<!-- figures: luck -->\n<!-- end -->')).toThrow('asks for luck');
});
