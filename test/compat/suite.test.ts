import { expect, it } from 'vitest';
import { runSuite } from './suite.ts';

it('every client works over every transport', { timeout: 120_000 }, async () => {
  const results = await runSuite();
  expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(results.length).toBeGreaterThan(150);
});
