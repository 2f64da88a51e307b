/**
 * What does a call through the mesh cost, against the bare client it replaces? All arms run in one process, in turn and
 * in another order each round, so that what the machine does meanwhile hits all of them; what counts is the ratio to
 * the bare client of the same round, and of that the median.
 *
 * Writes benchmarks/results/overhead.json, with --sdk overhead-sdk.json.
 *
 * node benchmarks/overhead/run.ts [--rounds 9] [--calls 4000] [--concurrency 32] [--sdk] [--only json,mib,post]
 *   [--arms 'undici.request,mesh.request'] [--json file]
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Arm, openArms } from './arms.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    calls: { type: 'string', default: '4000' },
    concurrency: { type: 'string', default: '32' },
    only: { type: 'string', default: 'json,mib,post' },
    arms: { type: 'string', default: '' },
    sdk: { type: 'boolean', default: false },
    json: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
const calls = Number(values.calls);
const concurrency = Number(values.concurrency);

const postBody = Buffer.alloc(10 * 1024, 'p');
const workloads = [
  { key: 'json', name: 'GET small JSON', share: 1, call: (arm: Arm) => arm.get('/json') },
  { key: 'mib', name: 'GET 1 MiB', share: 0.03, call: (arm: Arm) => arm.get('/mib') },
  { key: 'post', name: 'POST 10 KiB', share: 0.5, call: (arm: Arm) => arm.post('/post', postBody) },
].filter(({ key }) => values.only.split(',').includes(key));

interface Sample {
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly p99Ms: number;
}

/** The calls at the start of a slot that are not counted: they collect the garbage of the arm before. */
const leadIn = 0.25;

async function measure(arm: Arm, call: (arm: Arm) => Promise<number>, count: number): Promise<Sample> {
  await run(arm, call, Math.ceil(count * leadIn));
  return run(arm, call, count);
}

async function run(arm: Arm, call: (arm: Arm) => Promise<number>, count: number): Promise<Sample> {
  const latencies = new Float64Array(count);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) {
      const startedAt = performance.now();
      await call(arm);
      latencies[index] = performance.now() - startedAt;
    }
  };
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort();
  return {
    cpuUs: (user + system) / count,
    perSecond: (count * 1000) / wallMs,
    p99Ms: latencies[Math.min(count - 1, Math.ceil(count * 0.99))] as number,
  };
}

/** Another order each round, so that no arm always follows the same one. */
function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** An SDK that samples every span and hands them, in batches, to an exporter that forgets them. */
async function startSdk(): Promise<() => Promise<void>> {
  const { context, propagation, trace } = await import('@opentelemetry/api');
  const { AsyncLocalStorageContextManager } = await import('@opentelemetry/context-async-hooks');
  const { W3CTraceContextPropagator } = await import('@opentelemetry/core');
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const exporter = {
    export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
    shutdown: async () => {},
  };
  const provider = new TracerProvider({ spanProcessors: [new BatchSpanProcessor({ exporter })] });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  return () => provider.shutdown();
}

const stopSdk = values.sdk ? await startSdk() : undefined;
const upstream = fork(new URL('./upstream.ts', import.meta.url), { stdio: 'inherit', execArgv: [] });
const ports = await new Promise<number[]>((resolve) =>
  upstream.once('message', (message) => resolve(message as number[])),
);
const wanted = values.arms === '' ? undefined : values.arms.split(',');
const arms = (await openArms(ports)).filter(({ name }) => wanted === undefined || wanted.includes(name));

const report = [];
for (const { name, share, call } of workloads) {
  const count = Math.max(60, Math.round(calls * share));
  const samples = new Map<Arm, Sample[]>(arms.map((arm) => [arm, []]));
  for (const arm of arms) await measure(arm, call, count);
  for (let round = 0; round < rounds; round++) {
    for (const arm of shuffled(arms)) samples.get(arm)?.push(await measure(arm, call, count));
  }
  const of = (wantedName: string) => samples.get(arms.find((arm) => arm.name === wantedName) as Arm);
  const ratio = (own: readonly Sample[], base: readonly Sample[] | undefined) =>
    base && median(own.map((sample, round) => sample.cpuUs / (base[round] as Sample).cpuUs));
  const rows = arms.map((arm) => {
    const own = samples.get(arm) as Sample[];
    return {
      arm: arm.name,
      cpuUs: median(own.map((sample) => sample.cpuUs)),
      ofFetch: ratio(own, of('built-in fetch')),
      ofRequest: ratio(own, of('undici.request')),
      perSecond: median(own.map((sample) => sample.perSecond)),
      p99Ms: median(own.map((sample) => sample.p99Ms)),
    };
  });
  report.push({
    workload: name,
    tracingSdk: values.sdk,
    node: process.version,
    rounds,
    callsPerRound: count,
    concurrency,
    rows,
  });
  console.log(
    `\n${name}${values.sdk ? ', tracing SDK sampling all' : ''} (Node ${process.version}, median of ${rounds} rounds of ${count} calls, ${concurrency} at once)`,
  );
  console.table(
    Object.fromEntries(
      rows.map((row) => [
        row.arm,
        {
          'CPU µs/call': row.cpuUs.toFixed(1),
          '÷ built-in fetch': row.ofFetch?.toFixed(2) ?? '',
          '÷ undici.request': row.ofRequest?.toFixed(2) ?? '',
          'calls/s': Math.round(row.perSecond),
          'p99 ms': row.p99Ms.toFixed(2),
        },
      ]),
    ),
  );
}
const results = new URL(`../results/overhead${values.sdk ? '-sdk' : ''}.json`, import.meta.url);
writeFileSync(values.json === '' ? results : values.json, `${JSON.stringify(report, null, 2)}\n`);
await Promise.all(arms.map((arm) => arm.close?.()));
upstream.disconnect();
await stopSdk?.();
