/**
 * Does goodput come back after a trigger? A service at 0.8 of its capacity gets a short push (here: twice the capacity for
 * 10 s), and its servers work on requests that nobody waits for any more. With fixed retries the load that they cause keeps it
 * down ("Metastable Failures in the Wild", Huang et al., OSDI 2022); with an adaptive limit it does not.
 *
 * Admission control goes by refusals. These servers refuse nothing, they only get slow, and it is no cure for that: goodput
 * comes and goes.
 *
 * And who gets an answer meanwhile? The second experiment has the same push at servers that refuse, where every other call is
 * sheddable: the critical ones alone are what the servers can answer.
 *
 * In simulated time, five seeds. Writes benchmarks/results/metastable.json.
 *
 * node benchmarks/published/metastable.ts [--arms admission]
 */
import { busy, busyCapacity, experimentNamed } from './experiments.ts';
import { median, type Outcomes, type Recovery, recoveryOf } from './outcomes.ts';
import { criticalityPolicies, overloadPolicies } from './policies.ts';
import { compare, keep, meshArms } from './scenario.ts';

const defaults = { timeoutMs: 4 * busy.timeoutMs };
const kindOf = (index: number) => (index % 2 === 0 ? 'critical' : 'sheddable');

const results = {
  metastable: await compare('metastable', meshArms(overloadPolicies, { defaults })),
  'metastable, refusing': await compare(
    'metastable, refusing',
    meshArms(criticalityPolicies, { defaults, kindOf, overrides: (index) => ({ criticality: kindOf(index) }) }),
  ),
};
for (const [experiment, arms] of Object.entries(results)) {
  console.log(`\n${experiment}`);
  console.table(Object.fromEntries(Object.entries(arms).map(([arm, all]) => [arm, shown(experiment, all)])));
}
keep('metastable', results);

function shown(experiment: string, all: readonly Outcomes[]) {
  const recoveries = all.map((outcomes) => recoveryOf(experimentNamed(experiment), outcomes));
  const figure = (pick: (recovery: Recovery) => number) => median(recoveries.map(pick));
  const percent = (value: number) => `${((100 * value) / busyCapacity).toFixed(1)}%`;
  return {
    before: percent(figure(({ before }) => before)),
    during: percent(figure(({ during }) => during)),
    after: percent(figure(({ after }) => after)),
    'back after, s': figure(({ backSeconds }) => backSeconds),
    ...all[0]?.answered,
  };
}
