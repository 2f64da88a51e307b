import type { RequestListener } from 'node:http';
import express from 'express';
import fastify from 'fastify';
import { Registry as PrometheusRegistry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import type { InboundOptions, Mesh } from '../../src/index.ts';
import { Bench } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

/** What a handler waits for. */
type Gate = () => Promise<void>;

/** The ways to serve; each answers `served` once the gate is open. */
const servers: Record<string, (mesh: Mesh, options: InboundOptions, gate: Gate) => Promise<RequestListener>> = {
  'node:http': async (mesh, options, gate) => {
    const inbound = mesh.inbound(options);
    return (request, response) => inbound(request, response, () => void gate().then(() => response.end('served')));
  },
  Express: async (mesh, options, gate) => {
    const app = express();
    app.use(mesh.inbound(options));
    app.use((_request, response) => void gate().then(() => response.end('served')));
    return app;
  },
  Fastify: async (mesh, options, gate) => {
    const app = fastify();
    app.addHook('onRequest', mesh.inbound(options));
    app.all('/*', () => gate().then(() => 'served'));
    await app.ready();
    bench.onClose(() => app.close());
    return (request, response) => app.routing(request, response);
  },
};

/** A gate that a test opens. */
class Door {
  entered = 0;
  open!: () => void;
  private readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
  private readonly waiting: (() => void)[] = [];

  readonly gate: Gate = () => {
    this.entered++;
    for (const resolve of this.waiting.splice(0)) resolve();
    return this.opened;
  };

  /** Resolves when so many have come to the gate. */
  async until(count: number): Promise<void> {
    while (this.entered < count) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

async function shedMetric(mesh: Mesh): Promise<string[]> {
  const registry = new PrometheusRegistry();
  const detach = mesh.metrics.attach(registry);
  const text = await registry.metrics();
  detach();
  return text.split('\n').filter((line) => line.startsWith('inmesh_inbound_shed_total{'));
}

const get = (address: string, criticality?: string, method = 'GET') =>
  fetch(`http://${address}/`, {
    method,
    headers: criticality === undefined ? {} : { 'x-request-criticality': criticality },
    ...(method === 'POST' ? { body: 'x'.repeat(100_000) } : undefined),
  });

describe.each(Object.entries(servers))('mesh.inbound({ shed }) in %s', (_name, make) => {
  async function serve(options: InboundOptions) {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    const door = new Door();
    const { address } = await bench.server(await make(mesh, options, door.gate));
    return { mesh, door, address };
  }

  it('turns away what is too much, says so, and serves again when there is room', async () => {
    const { mesh, door, address } = await serve({ shed: { maxInFlight: 2, retryAfterMs: 1_500 } });
    const served = [get(address), get(address)];
    await door.until(2);
    for (const method of ['GET', 'POST']) {
      const refused = await get(address, undefined, method);
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('2');
      expect(refused.headers.get('x-envoy-local-overloaded')).toBe('true');
      expect(await refused.text()).toBe('overloaded\n');
    }
    door.open();
    for (const response of await Promise.all(served)) expect(await response.text()).toBe('served');
    expect(await (await get(address)).text()).toBe('served');
    expect(door.entered).toBe(3);
    expect(await shedMetric(mesh)).toEqual(['inmesh_inbound_shed_total{reason="in-flight",criticality="critical"} 2']);
  });

  it('turns the less critical away first', async () => {
    const { door, address } = await serve({ shed: { maxInFlight: 4 } });
    const served = [get(address), get(address)];
    await door.until(2);
    expect((await get(address, 'sheddable')).status).toBe(503);
    served.push(get(address, 'sheddable-plus'));
    await door.until(3);
    expect((await get(address, 'SHEDDABLE_PLUS')).status).toBe(503);
    served.push(get(address));
    await door.until(4);
    expect((await get(address, 'unheard of')).status).toBe(503);
    served.push(get(address, 'critical-plus'));
    await door.until(5);
    door.open();
    expect((await Promise.all(served)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });

  it('counts and serves in dark mode', async () => {
    const { mesh, door, address } = await serve({ shed: { maxInFlight: 1, darkMode: true } });
    const served = [get(address), get(address)];
    await door.until(2);
    door.open();
    expect((await Promise.all(served)).map(({ status }) => status)).toEqual([200, 200]);
    expect(await shedMetric(mesh)).toHaveLength(1);
  });
});

describe('mesh.inbound({ shed })', () => {
  it('turns requests away while the event loop is late', async () => {
    const lateness = { busyMs: 0 };
    const clock = lateClock(lateness);
    const mesh = await bench.mesh(['127.0.0.1:1'], undefined, { clock });
    const inbound = mesh.inbound({ shed: {} });
    const { address } = await bench.server((request, response) => {
      inbound(request, response, () => response.end('served'));
    });
    expect((await get(address)).status).toBe(200);
    lateness.busyMs = 500;
    clock.tick(4);
    expect((await get(address)).status).toBe(503);
    expect((await get(address, 'critical-plus')).status).toBe(503);
    lateness.busyMs = 0;
    clock.tick(10);
    expect((await get(address)).status).toBe(200);
    expect(await shedMetric(mesh)).toContain(
      'inmesh_inbound_shed_total{reason="event-loop-delay",criticality="critical"} 1',
    );
    await mesh.close();
    expect(clock.background.size).toBe(0);
  });

  it('lets a calling mesh go to another server at once', async () => {
    const door = new Door();
    const busy = await bench.mesh(['127.0.0.1:1']);
    const inbound = busy.inbound({ shed: { maxInFlight: 1, retryAfterMs: 60_000 } });
    const full = await bench.server((request, response) => {
      inbound(request, response, () => void door.gate().then(() => response.end('full')));
    });
    const held = get(full.address);
    await door.until(1);
    const free = await bench.server((_request, response) => response.end('free'));
    const mesh = await bench.mesh([full.address, free.address], { loadBalancer: { simple: 'ROUND_ROBIN' } });
    for (let call = 0; call < 4; call++) {
      expect(await (await mesh.request('http://reviews/', { mesh: { timeoutMs: 5_000 } })).body.text()).toBe('free');
    }
    expect((await shedMetric(busy)).length).toBe(1);
    door.open();
    await (await held).text();
  });

  it.each<[unknown, string]>([
    [{ shed: { eventLoopDelayMs: 0 } }, 'option shed.eventLoopDelayMs is 0; allowed are numbers from 1 to 10000 (ms)'],
    [{ shed: { maxInFlight: 1.5 } }, 'option shed.maxInFlight is 1.5; allowed are integers from 1'],
    [{ shed: { retryAfterMs: -1 } }, 'option shed.retryAfterMs is -1; allowed are integers from 1 (ms)'],
    [{ shed: { darkMode: 'yes' } }, 'option shed.darkMode is yes; allowed are true and false'],
    [
      { shed: { maxRss: 1 } },
      'unknown option shed.maxRss; known are eventLoopDelayMs, maxInFlight, retryAfterMs, darkMode',
    ],
    [{ shed: true }, 'option shed is true; allowed is an object'],
    [{ shde: {} }, 'unknown option shde; known are shed, reportLoad'],
    [7, 'the options are 7; allowed is an object'],
  ])('refuses %j', async (options, message) => {
    const mesh = await bench.mesh(['127.0.0.1:1']);
    expect(() => mesh.inbound(options as InboundOptions)).toThrow(message);
  });
});

/** A clock whose background timers fire when they are told to, late by `busyMs`; the rest is that of the process. */
function lateClock(lateness: { busyMs: number }) {
  const background = new Map<object, { callback: () => void; dueMs: number }>();
  const skipped = { ms: 0 };
  const now = () => performance.now() + skipped.ms;
  return {
    background,
    now,
    wallTime: () => Date.now(),
    setTimer: (callback: () => void, delayMs: number) => setTimeout(callback, delayMs),
    setBackgroundTimer(callback: () => void, delayMs: number) {
      const timer = {};
      background.set(timer, { callback, dueMs: now() + delayMs });
      return timer;
    },
    clearTimer(timer: object) {
      if (!background.delete(timer)) clearTimeout(timer as NodeJS.Timeout);
    },
    tick(times: number) {
      for (let time = 0; time < times; time++) {
        for (const [timer, { callback, dueMs }] of [...background]) {
          background.delete(timer);
          skipped.ms += Math.max(0, dueMs + lateness.busyMs - now());
          callback();
        }
      }
    },
  };
}
