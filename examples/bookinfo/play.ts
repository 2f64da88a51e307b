/**
 * How is a scene played? While pages are asked for; what all processes counted before and after makes the rest of the
 * figures.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './figures.ts';
import { Load } from './load.ts';
import type { Played, Progress } from './report.ts';
import { registryOutage, type Scene, scenes } from './scenes.ts';
import { Stage, type StageParts } from './stage.ts';

const pagesPerSecond = 80;
const warmUpSeconds = 2;
const showEveryMs = 250;

/** Plays all scenes, one after the other. */
export async function playAll(parts: Omit<StageParts, 'tell'>, progress: Progress): Promise<readonly Played[]> {
  const all = parts.server === undefined ? scenes : [...scenes, registryOutage];
  const url = parts.fleet.url('productpage-1', '/api/v1/products/0');
  progress.tell('warming up');
  const warmUp = new Load(url, pagesPerSecond, undefined);
  await sleep(warmUpSeconds * 1000);
  await warmUp.stop();

  const played: Played[] = [];
  for (const [index, scene] of all.entries()) {
    const title = `${index + 1}/${all.length} ${scene.title}`;
    progress.tell(title);
    const load = new Load(url, pagesPerSecond, scene.user);
    const showing = setInterval(() => progress.show(title, load.samples), showEveryMs);
    const stage = await Stage.open({ ...parts, tell: (line) => progress.tell(`    ${line}`) });
    played.push(await playOne(scene, stage, load, played[0]));
    clearInterval(showing);
  }
  return played;
}

async function playOne(scene: Scene, stage: Stage, load: Load, steady: Played | undefined): Promise<Played> {
  await scene.play(stage);
  const samples = await load.stop();
  const counts = await stage.counts();
  const take = {
    samples,
    settled: samples.filter(({ dueAt }) => dueAt >= stage.markedAt),
    ...counts,
    steadyP99Ms: percentile(steady?.take.samples ?? samples, 0.99),
  };
  return { title: scene.title, take, verdicts: scene.judge(take) };
}
