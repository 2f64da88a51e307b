import { expect, it, vi } from 'vitest';
import { runRandomScenario } from './random-scenario.ts';

/** In all; each file runs its part, so that they can run side by side. */
const scenarios = 10_400;
const parts = 4;

/** Far above what they take; a machine may be busy. */
const timeoutMs = 240_000;

/**
 * Runs the `part`-th of the random scenarios and holds each to every rule. With `INMESH_SEED` only the one of that seed.
 */
export function randomScenarios(part: number): void {
  const { INMESH_SEED } = process.env;
  const only = INMESH_SEED === undefined ? undefined : Number(INMESH_SEED);
  const all = Array.from({ length: scenarios / parts }, (_, index) => index * parts + part);
  const seeds = only === undefined ? all : Math.abs(only) % parts === part ? [only] : [];

  it.skipIf(seeds.length === 0)(
    `${seeds.length} scenarios break no rule`,
    async () => {
      // Refused documents are a part of the scenarios; nobody has to mend them.
      const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
      let calls = 0;
      for (const seed of seeds) {
        const simulation = await runRandomScenario(seed);
        simulation.check();
        calls += simulation.record.calls.length;
      }
      expect(calls).toBeGreaterThan(0);
      warned.mockRestore();
    },
    timeoutMs,
  );
}
