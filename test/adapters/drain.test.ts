import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { Registry } from '../../src/index.ts';
import { createMesh } from '../../src/index.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { Bench } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const program = fileURLToPath(new URL('drain-process.ts', import.meta.url));

/** A process that serves, and a log of what it does. */
async function start(handleSignals: boolean, meshes = 1) {
  const folder = await mkdtemp(join(tmpdir(), 'inmesh-drain-'));
  bench.onClose(() => rm(folder, { recursive: true }));
  const file = join(folder, 'log');
  const child = fork(program, [file, String(handleSignals), String(meshes)], { execArgv: ['--no-warnings'] });
  bench.onClose(async () => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, exited, port, log: async () => (await readFile(file, 'utf8')).trim().split('\n') };
}

describe('a process with handleSignals', () => {
  it('is deregistered first, finishes what it serves, and then ends by the signal', async () => {
    const { child, exited, port, log } = await start(true);
    const asking = request({ port, host: '127.0.0.1', method: 'POST', agent: false });
    asking.flushHeaders();
    const [response] = await once(asking, 'response');
    child.kill('SIGTERM');
    while (!(await log()).includes('deregistered')) await new Promise((resolve) => setImmediate(resolve));
    asking.end();
    expect(await text(response)).toBe('whole');
    expect(await exited).toEqual([null, 'SIGTERM']);
    expect(await log()).toEqual(['registered', 'request', 'deregistered', 'answer', 'registry closed']);
  }, 20_000);

  it('leaves signals alone without the option', async () => {
    const { child, exited, log } = await start(false);
    child.kill('SIGTERM');
    expect(await exited).toEqual([null, 'SIGTERM']);
    expect(await log()).toEqual(['registered']);
  }, 20_000);
});

describe('two meshes with handleSignals', () => {
  it('both drain before the signal ends the process', async () => {
    const { child, exited, log } = await start(true, 2);
    child.kill('SIGTERM');
    expect(await exited).toEqual([null, 'SIGTERM']);
    expect((await log()).filter((line) => line === 'deregistered')).toHaveLength(2);
    expect((await log()).filter((line) => line === 'registry closed')).toHaveLength(2);
  }, 20_000);
});

describe('mesh.drain', () => {
  it.each(['30s', Number.NaN, -1])('refuses %s for a duration', async (timeoutMs) => {
    const { mesh } = await open();
    expect(() => mesh.drain({ timeoutMs } as never)).toThrow('option timeoutMs is');
    expect(() => mesh.close({ timeoutMs } as never)).toThrow('option timeoutMs is');
    await mesh.close();
  });

  async function open() {
    const clock = new VirtualClock();
    const log: string[] = [];
    const registry: Registry = {
      name: 'log:',
      watchEndpoints: () => ({ close: () => {} }),
      register: async () => ({ deregister: async () => void log.push(`deregistered at ${clock.now()}`) }),
      close: async () => void log.push(`closed at ${clock.now()}`),
    };
    return { clock, log, mesh: await createMesh({ service: 'reviews', registry, clock }) };
  }

  it('deregisters, waits until that has got about, and closes', async () => {
    const { clock, log, mesh } = await open();
    await mesh.register({ port: 1, address: 'a' });
    const start = clock.now();
    const drained = mesh.drain({ propagationMs: 700 });
    await clock.advance(700);
    await drained;
    expect(log).toEqual([`deregistered at ${start}`, `closed at ${start + 700}`]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not wait when nothing was registered, and happens once', async () => {
    const { clock, log, mesh } = await open();
    const drained = mesh.drain();
    expect(mesh.drain()).toBe(drained);
    await drained;
    await mesh.close();
    expect(log).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is what a close leaves to do when that comes first', async () => {
    const { clock, log, mesh } = await open();
    await mesh.register({ port: 1, address: 'a' });
    const closed = mesh.close();
    const drained = mesh.drain({ propagationMs: 100 });
    await clock.advance(100);
    await Promise.all([closed, drained]);
    expect(log.map((line) => line.split(' ')[0])).toEqual(['deregistered', 'closed']);
  });
});
