import { type EndpointProfile, type Fault, type Latency, latency } from '../../src/testing/index.ts';
import { type Dice, given } from './dice.ts';

/** An endpoint: most are well, some fail now and then, a few in every way. */
export function randomProfile(dice: Dice): EndpointProfile {
  return given({
    latency: randomLatency(dice),
    headers: dice.maybe(0.4, () => ({ 'endpoint-load-metrics': randomReport(dice) })),
    connectMs: dice.maybe(0.3, () => dice.integer(1, 50)),
    body: dice.maybe(0.5, () =>
      given({
        bytes: dice.pick(0, 16, 1_000, 200_000),
        chunks: dice.integer(1, 6),
        everyMs: dice.maybe(0.5, () => dice.integer(1, 60)),
      }),
    ),
    capacity: dice.maybe(0.2, () => ({ concurrency: dice.integer(1, 3), maxQueue: dice.integer(0, 4) })),
    faults: dice.maybe(0.6, () => Array.from({ length: dice.integer(1, 3) }, () => randomFault(dice))),
  });
}

function randomLatency(dice: Dice): Latency {
  return dice.pick(
    dice.integer(0, 30),
    latency.uniform(1, 80),
    latency.normal(20, 10),
    latency.logNormal(10, 300),
    latency.overTime((now) => (now < 1_000 ? 5 : latency.uniform(50, 300))),
  );
}

function randomReport(dice: Dice): string {
  return dice.pick(
    `TEXT cpu_utilization=0.${dice.integer(1, 9)},rps_fractional=${dice.integer(1, 90)},named_metrics.rif=${dice.integer(0, 20)}`,
    `JSON {"application_utilization":0.${dice.integer(1, 9)},"rps_fractional":${dice.integer(1, 90)},"eps":${dice.integer(0, 5)}}`,
    'BIN CZqZmZmZmbk/',
  );
}

function randomFault(dice: Dice): Fault {
  const fromMs = dice.maybe(0.5, () => dice.integer(0, 1_500));
  const window = given({
    fromMs,
    untilMs: dice.maybe(0.6, () => (fromMs ?? 0) + dice.integer(50, 1_500)),
    probability: dice.pick(0.1, 0.5, 1),
  });
  const status = dice.pick(409, 429, 500, 503, 504);
  const headers = given({ 'retry-after': dice.maybe(0.3, () => '1') });
  return {
    ...window,
    ...dice.pick<Fault>(
      { kind: 'refuse-connection' },
      { kind: 'connect-timeout' },
      { kind: 'refuse-stream' },
      { kind: 'reset-before-head' },
      { kind: 'reset-in-body' },
      { kind: 'stall' },
      { kind: 'stall-in-body' },
      { kind: 'status', status, headers },
      { kind: 'slow-head', extra: dice.integer(10, 500) },
      { kind: 'slow-body', everyMs: dice.integer(5, 200), chunks: dice.integer(1, 10) },
    ),
  };
}
