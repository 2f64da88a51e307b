import { runRandomScenario } from './random-scenario.ts';
process.emitWarning = () => {};
const from = Number(process.argv[2] ?? 1), count = Number(process.argv[3] ?? 200);
let bad = 0; const t = performance.now();
for (let seed = from; seed < from + count; seed++) {
  try { (await runRandomScenario(seed)).check(); } catch (e) { bad++; if (bad < 12) console.log(String((e as Error).message).slice(0, 600)); if (!/^seed/.test((e as Error).message)) bad<4 && console.log((e as Error).stack); }
}
console.log({ count, bad, ms: Math.round(performance.now() - t) });
