import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { OwnLoad, processUsage } from '../../src/adapters/own-load.ts';
import { ServedRequests } from '../../src/adapters/served-requests.ts';
import { parseLoadReport } from '../../src/http/load-report.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { Bench } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

/** What a test sets of a process. */
const used = { cpu: 0, busy: 0, memory: 0.25 };
const usage = { cpuMs: () => used.cpu, loopBusyMs: () => used.busy, memory: () => used.memory };

/** The report of one reply, as a record. */
function reply(load: OwnLoad, status = 200, inFlight?: () => void): Record<string, number> {
  const answer = {
    headersSent: false,
    text: '',
    setHeader(_name: string, text: string) {
      this.text = text;
    },
    writeHead(_status: number) {},
  };
  load.report(answer as never);
  inFlight?.();
  answer.writeHead(status);
  expect(answer.text.startsWith('TEXT ')).toBe(true);
  const pairs = answer.text.slice(5).split(',');
  return Object.fromEntries(pairs.map((pair) => pair.split('=')).map(([name, value]) => [name, Number(value)]));
}

describe('OwnLoad', () => {
  it('tells CPU for each core, event loop, memory and rates of the last second or two', async () => {
    const clock = new VirtualClock();
    const load = new OwnLoad(clock, new ServedRequests(), usage);
    for (let second = 0; second < 3; second++) {
      for (let call = 0; call < 10; call++) {
        await clock.advance(100);
        used.cpu += 20 * availableParallelism();
        used.busy += 50;
        reply(load, call === 0 ? 500 : 200);
      }
    }
    await clock.advance(100);
    const report = reply(load);
    expect(report.mem_utilization).toBe(0.25);
    expect(report.cpu_utilization).toBeCloseTo(0.2, 1);
    expect(report.application_utilization).toBeCloseTo(0.5, 1);
    expect(report.rps_fractional).toBeCloseTo(10, 0);
    expect(report.eps).toBeCloseTo(1, 0);
  });

  it('measures at most every 100 ms, and counts requests in flight each time', async () => {
    const clock = new VirtualClock();
    const served = new ServedRequests();
    const load = new OwnLoad(clock, served, usage);
    await clock.advance(1_000);
    used.memory = 0.5;
    expect(reply(load)).toMatchObject({ mem_utilization: 0.5, 'named_metrics.rif': 0 });
    used.memory = 0.75;
    const closers: (() => void)[] = [];
    served.add({ once: (_event: string, close: () => void) => closers.push(close) } as never);
    expect(reply(load)).toMatchObject({ mem_utilization: 0.5, 'named_metrics.rif': 1 });
    await clock.advance(100);
    for (const close of closers) close();
    expect(reply(load)).toMatchObject({ mem_utilization: 0.75, 'named_metrics.rif': 0 });
  });

  it('forgets what was before a pause', async () => {
    const clock = new VirtualClock();
    const load = new OwnLoad(clock, new ServedRequests(), usage);
    await clock.advance(60_000);
    reply(load);
    for (let call = 0; call < 10; call++) {
      await clock.advance(100);
      reply(load);
    }
    await clock.advance(100);
    expect(reply(load).rps_fractional).toBeCloseTo(10, 0);
  });

  it('reads what the process uses', () => {
    expect(processUsage.cpuMs()).toBeGreaterThan(0);
    expect(processUsage.loopBusyMs()).toBeGreaterThanOrEqual(0);
    expect(processUsage.memory()).toBeGreaterThan(0);
    expect(processUsage.memory()).toBeLessThan(1);
  });
});

describe('mesh.inbound({ reportLoad: true })', () => {
  it.each([
    ['an implied head', (end: (status?: number, headers?: object) => void) => end()],
    ['writeHead', (end: (status?: number, headers?: object) => void) => end(503, { 'x-own': 'yes' })],
  ])('adds a report that load balancers can read to replies with %s', async (_name, answer) => {
    const upstream = await bench.server((_request, response) => void response.end());
    const mesh = await bench.mesh([upstream.address]);
    const inbound = mesh.inbound({ reportLoad: true });
    const server = createServer((incoming, response) => {
      inbound(incoming, response, () => {
        answer((status, headers) => {
          if (status !== undefined) response.writeHead(status, headers as Record<string, string>);
          response.end('ok');
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    bench.onClose(async () => void server.close());
    const headers = await new Promise<NodeJS.Dict<string | string[]>>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      request({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.resume();
        resolve(response.headers);
      })
        .on('error', reject)
        .end();
    });
    expect(parseLoadReport(headers['endpoint-load-metrics'] as string)).toMatchObject({ inFlight: 1 });
  });

  it('is off by default, and refuses what is no flag', async () => {
    const upstream = await bench.server((_request, response) => void response.end());
    const mesh = await bench.mesh([upstream.address]);
    const answer = { once() {}, writeHead() {} };
    const { writeHead } = answer;
    mesh.inbound()({ headers: {} } as never, answer as never, () => {});
    expect(answer.writeHead).toBe(writeHead);
    expect(() => mesh.inbound({ reportLoad: 1 } as never)).toThrow(
      'option reportLoad is 1; allowed are true and false',
    );
  });
});
