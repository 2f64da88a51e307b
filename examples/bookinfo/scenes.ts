/**
 * What does the demo show, and what does each scene promise? A promise is on what was measured while the scene played;
 * its bounds leave room for a small, busy machine.
 */
import { asMs, asPercent, percentile, percentOf } from './figures.ts';
import type { Sample } from './load.ts';
import type { Counts, Stage } from './stage.ts';

/** What was measured in a scene. */
export interface Take extends Counts {
  /** All pages. */
  readonly samples: readonly Sample[];
  /** Those that were due after the last edit of the document, or the last fault. */
  readonly settled: readonly Sample[];
  /** The p99 of the first scene, in ms. */
  readonly steadyP99Ms: number;
}

/** A promise, and what became of it. */
export interface Verdict {
  readonly promise: string;
  readonly measured: string;
  readonly kept: boolean;
}

/** A scene: it plays while pages are asked for. */
export interface Scene {
  readonly title: string;
  /** Who asks for every fifth page; nobody special by default. */
  readonly user?: string;
  readonly play: (stage: Stage) => Promise<void>;
  readonly judge: (take: Take) => readonly Verdict[];
}

const first = 'reviews-v3-1';
const second = 'reviews-v3-2';
const allRatings = ['ratings-1', 'ratings-2'];
const slowMs = 1_000;
const verySlowMs = 7_000;
/** A shared registry remembers a process that died for up to 15 s. */
const forgottenMs = 20_000;
const outageSeconds = 10;
const namedMs = 5_000;

/** The scenes in order; each begins with what the one before has left. */
export const scenes: readonly Scene[] = [
  {
    title: 'steady state',
    play: (stage) => stage.wait(5),
    judge: ({ samples }) => [noFailure(samples)],
  },
  {
    title: 'canary: 10 % of v1 to v3',
    play: async (stage) => {
      await stage.shift({ v1: 90, v3: 10 });
      await stage.wait(7);
    },
    judge: ({ samples, settled }) => {
      const share = percentOf(settled, ({ version }) => version === 'v3');
      return [noFailure(samples), verdict('v3 gets 5 to 15 %', asPercent(share), share >= 5 && share <= 15)];
    },
  },
  {
    title: 'jason tries v2',
    user: 'jason',
    play: async (stage) => {
      await stage.routeUser('jason', 'v2');
      await stage.wait(5);
    },
    judge: ({ samples, settled }) => {
      const isV2 = ({ version }: Sample) => version === 'v2';
      const shareOfV2 = (who: string | undefined) =>
        percentOf(
          settled.filter(({ user }) => user === who),
          isV2,
        );
      const [jason, others] = [shareOfV2('jason'), shareOfV2(undefined)];
      const measured = `${asPercent(jason)} and ${asPercent(others)}`;
      return [noFailure(samples), verdict('jason gets v2, nobody else does', measured, jason === 100 && others === 0)];
    },
  },
  {
    title: 'a replica crashes',
    play: async (stage) => {
      await stage.shift({ v3: 100 });
      await stage.wait(1);
      await stage.kill(first);
      await stage.wait(2);
      await stage.restart(first);
      await Promise.all([stage.wait(2), stage.forgotten()]);
    },
    judge: ({ samples, requests, forgottenAfterMs }) => {
      const served = requests.get(first) ?? 0;
      return [
        noFailure(samples),
        verdict('it serves again once it is back', `${served} requests`, served > 0),
        verdict(
          `its old address is forgotten within ${forgottenMs / 1_000} s`,
          asMs(forgottenAfterMs),
          forgottenAfterMs <= forgottenMs,
        ),
      ];
    },
  },
  {
    title: 'a replica is slow',
    play: async (stage) => {
      await stage.disturb([second], { delayMs: slowMs });
      await stage.wait(6);
      await stage.heal([second]);
    },
    judge: ({ samples, steadyP99Ms }) => {
      const p99 = percentile(samples, 0.99);
      const measured = `${asMs(p99)}, steady ${asMs(steadyP99Ms)}`;
      return [noFailure(samples), verdict(`p99 is below half of its ${slowMs} ms`, measured, p99 < slowMs / 2)];
    },
  },
  {
    title: 'a replica fails at once',
    play: async (stage) => {
      await stage.disturb([first], { status: 500 });
      await stage.wait(5);
      await stage.heal([first]);
    },
    judge: ({ samples, requests }) => {
      const success = percentOf(samples, isGood);
      const own = requests.get(first) ?? 0;
      const share = (100 * own) / (own + (requests.get(second) ?? 0));
      return [
        verdict('at least 99 % of the pages come', asPercent(success), success >= 99),
        verdict('it gets at most 10 % of the requests', asPercent(share), share <= 10),
      ];
    },
  },
  {
    title: 'all ratings take 7 s',
    play: async (stage) => {
      await stage.disturb(allRatings, { delayMs: verySlowMs });
      await stage.wait(6);
      await stage.heal(allRatings);
    },
    judge: ({ samples }) => {
      const p50 = percentile(samples, 0.5);
      const p99 = percentile(samples, 0.99);
      const withoutStars = percentOf(samples, ({ stars }) => !stars);
      return [
        noFailure(samples),
        verdict('pages come within 1.5 s: a limit of 1 s', `p99 ${asMs(p99)}`, p99 <= 1_500),
        verdict('most do not wait: the breaker opens', `p50 ${asMs(p50)}`, p50 < 500),
        verdict('without stars', asPercent(withoutStars), withoutStars >= 95),
      ];
    },
  },
];

/** The last one, where the registry is a server. */
export const registryOutage: Scene = {
  title: `the registry is killed for ${outageSeconds} s`,
  play: async (stage) => {
    await stage.killRegistry(outageSeconds);
    await stage.shift({ v1: 50, v3: 50 });
    await stage.wait(2);
  },
  judge: ({ samples, settled, namedAfterMs }) => {
    const share = percentOf(settled, ({ version }) => version === 'v3');
    return [
      noFailure(samples),
      verdict(`it names all again within ${namedMs / 1_000} s`, asMs(namedAfterMs), namedAfterMs <= namedMs),
      verdict('edits count again: v3 gets 35 to 65 %', asPercent(share), share >= 35 && share <= 65),
    ];
  },
};

/** Whether the page came with all that it needs. */
export function isGood({ failure }: Sample): boolean {
  return failure === undefined;
}

function noFailure(samples: readonly Sample[]): Verdict {
  const failed = samples.filter((sample) => !isGood(sample));
  const measured = failed.length === 0 ? 'none' : `${failed.length}: ${failed[0]?.failure}`;
  return verdict('no page fails', measured, samples.length > 0 && failed.length === 0);
}

function verdict(promise: string, measured: string, kept: boolean): Verdict {
  return { promise, measured, kept };
}
