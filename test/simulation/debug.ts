import { events } from '../../src/core/events.ts';
import { runRandomScenario } from './random-scenario.ts';
process.emitWarning = () => {};
const [seed, key] = process.argv.slice(2);
for (const [name, ch] of Object.entries(events)) ch.subscribe((m: any) => {
  const c = m.call ?? m.attempt?.call;
  if (c) { const i = c.headers.indexOf('x-request-id'); if (c.headers[i+1] !== key) return; console.log(name, m.endpoint ?? '', m.status ?? '', m.error?.message ?? '', 'lastSent', c.lastSent, 'opts', name==='callStart' ? JSON.stringify({...c.options, retry: undefined}) : ''); }
  else console.log(name, JSON.stringify({...m, error: m.error?.message}).slice(0,150));
});
const s = await runRandomScenario(Number(seed));
const call = s.record.calls.find((c) => c.key === key)!;
console.log('now', s.clock.now(), call.facts, call.startedAt, call.settledAt, call.deadline, call.abortedAt, call.error);
console.log(s.network.attempts.filter(a=>a.call.headers.includes(key!)).map(a=>({no:a.number, m:(a.member as any).key, sent:a.sent, at:a.startedAt, inFlight:a.member.inFlight})));
console.log(s.problems().slice(0,5));
