import { describe, expect, it } from 'vitest';
import { registryOutage, scenes, type Take } from '../../../examples/bookinfo/scenes.ts';

/** A take without a page, and without anything that was measured. */
const empty: Take = {
  samples: [],
  settled: [],
  steadyP99Ms: Number.NaN,
  retries: 0,
  requests: new Map(),
  forgottenAfterMs: Number.NaN,
  namedAfterMs: Number.NaN,
};

describe('the promises of the demo', () => {
  it.each([...scenes, registryOutage])('are not kept when nothing was measured: $title', ({ judge }) => {
    const verdicts = judge(empty);
    expect(verdicts.length).toBeGreaterThan(0);
    expect(verdicts.filter(({ kept }) => kept)).toEqual([]);
  });
});
