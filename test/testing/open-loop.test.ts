import { expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { openLoop } from '../../src/testing/open-loop.ts';
import { simulateMesh } from '../../src/testing/simulate-mesh.ts';

const document = { services: [{ host: 'reviews', endpoints: [{ address: '10.0.0.1:80' }] }] };
const url = 'http://reviews/';

it('starts calls when they come, however slow the answers', async () => {
  const simulation = await simulateMesh({ document, seed: 1, defaultProfile: { latency: 1_000 } });
  const samples = await openLoop(simulation, { url, callsPerSecond: 10, durationMs: 500 });
  expect(samples.map(({ startedAt }) => startedAt)).toEqual([0, 100, 200, 300, 400]);
  expect(samples.map(({ endedAt }) => endedAt)).toEqual([1_000, 1_100, 1_200, 1_300, 1_400]);
  await simulation.close();
  simulation.check();
});

it('tells failures from answers', async () => {
  const faults = [
    { kind: 'reset-in-body', untilMs: 150 },
    { kind: 'status', status: 404 },
  ] as const;
  const simulation = await simulateMesh({ document, seed: 1, defaultProfile: { latency: 1, faults } });
  const samples = await openLoop(simulation, { url, callsPerSecond: 10, durationMs: 300 });
  expect(samples.map(({ status }) => status)).toEqual([200, 200, 404]);
  expect(samples.map(({ error }) => error === undefined)).toEqual([false, false, true]);
  await simulation.close();
});

it('gives each call overrides of its own', async () => {
  const simulation = await simulateMesh({ document, seed: 1, defaultProfile: { latency: 100 } });
  const samples = await openLoop(simulation, {
    url,
    callsPerSecond: 10,
    durationMs: 400,
    overrides: (index) => (index % 2 === 0 ? {} : { timeoutMs: 50 }),
  });
  const answered = samples.filter(({ status }) => status === 200).map(({ index }) => index);
  expect(answered).toEqual([0, 2]);
  expect(samples.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3]);
  await simulation.close();
});

it('draws gaps that are at the rate of that instant on average', async () => {
  const simulation = await simulateMesh({ document, seed: 1 });
  const samples = await openLoop(simulation, {
    url,
    callsPerSecond: (atMs) => (atMs < 10_000 ? 20 : 200),
    durationMs: 20_000,
    random: seededRandom(7),
  });
  const early = samples.filter(({ startedAt }) => startedAt < 10_000).length;
  expect(early).toBeGreaterThan(150);
  expect(early).toBeLessThan(250);
  expect(samples.length - early).toBeGreaterThan(1_800);
  expect(samples.length - early).toBeLessThan(2_200);
  await simulation.close();
});

it('leaves out a call that does not end', async () => {
  const simulation = await simulateMesh({
    document,
    seed: 1,
    defaults: { headTimeoutMs: false },
    defaultProfile: { faults: [{ kind: 'stall' }] },
  });
  expect(await openLoop(simulation, { url, callsPerSecond: 10, durationMs: 200 })).toEqual([]);
  await simulation.close();
});
