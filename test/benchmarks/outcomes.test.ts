import { describe, expect, it } from 'vitest';
import type { Experiment } from '../../benchmarks/published/experiments.ts';
import { measure, quantiles, recoveryOf, type Sample } from '../../benchmarks/published/outcomes.ts';

const experiment: Experiment = { endpoints: [{}, {}], callsPerSecond: 10, durationMs: 60_000, slowMs: 100 };
const trouble = { from: 20_000, until: 30_000, label: 'trouble' };

const answer = (dueAt: number, latencyMs: number, status: number | undefined = 200): Sample => ({
  dueAt,
  latencyMs,
  status,
});

describe('what came of an experiment', () => {
  it('counts errors, bad answers and slow ones as failures', () => {
    const samples = [answer(0, 10), answer(1, 101), answer(2, 10, 500), { dueAt: 3, latencyMs: 5, status: undefined }];
    expect(measure(experiment, samples, [3, 1])).toMatchObject({
      calls: 4,
      success: 0.25,
      amplification: 1,
      shares: [0.75, 0.25],
    });
  });

  it('has the latencies of all answers with a 200, slow ones too', () => {
    const samples = Array.from({ length: 1_000 }, (_, index) => answer(index, index + 1));
    const { latenciesMs } = measure(experiment, samples, [1, 1]);
    expect(latenciesMs).toEqual(quantiles.map((q) => q * 1_000 + 1));
  });

  it('has no latency where nothing was answered', () => {
    expect(measure(experiment, [answer(0, 1, 500)], [1, 0]).latenciesMs).toEqual(quantiles.map(() => null));
  });

  it('tells kinds apart from two seconds after the beginning of the trouble until its end', () => {
    const samples = [
      { ...answer(21_000, 500), kind: 'a' },
      { ...answer(22_000, 50), kind: 'a' },
      { ...answer(29_999, 500), kind: 'a' },
      { ...answer(25_000, 50), kind: 'b' },
      { ...answer(30_000, 500), kind: 'b' },
    ];
    expect(measure({ ...experiment, trouble }, samples, [1, 1]).answered).toEqual({ a: 0.5, b: 1 });
  });
});

describe('the recovery of goodput', () => {
  const samplesThat = (isGood: (second: number) => boolean): Sample[] =>
    Array.from({ length: 60 }, (_, second) => answer(second * 1_000, isGood(second) ? 1 : 1_000));
  const recovery = (isGood: (second: number) => boolean) => {
    const troubled = { ...experiment, trouble };
    return recoveryOf(troubled, measure(troubled, samplesThat(isGood), [1, 1]));
  };

  it('is timed from the end of the trouble to the end of the first good second', () => {
    expect(recovery((second) => second < 20 || second >= 33)).toEqual({
      before: 1,
      during: 0,
      after: 1,
      backSeconds: 4,
    });
  });

  it('is never, where no second is good again', () => {
    expect(recovery((second) => second < 20).backSeconds).toBe(Number.POSITIVE_INFINITY);
  });
});
