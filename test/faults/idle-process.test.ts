import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, echo } from '../adapters/bench.ts';
import { guardTests } from './guard-tests.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

const program = fileURLToPath(new URL('idle-process.ts', import.meta.url));

async function http1Address(): Promise<string> {
  const { address, server } = await bench.server(echo);
  server.keepAliveTimeout = 600_000;
  return address;
}

async function http2Address(): Promise<string> {
  const server = createServer(echo as unknown as Parameters<typeof createServer>[1]);
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  bench.onClose(() => {
    for (const session of sessions) session.destroy();
  });
  return (await bench.listen(server)).address;
}

describe('a process with an idle mesh', () => {
  it.each([
    ['HTTP/1.1', {}],
    ['an ejected endpoint', { outlierDetection: { consecutiveLocalOriginFailures: 1 } }],
    ['a long keep-alive', { connectionPool: { tcp: { idleTimeout: '10m' } } }],
    ['HTTP/2', { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } }],
  ])('exits by itself (%s)', async (name, trafficPolicy) => {
    const address = name === 'HTTP/2' ? await http2Address() : await http1Address();
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
    bench.onClose(() => rm(folder, { recursive: true }));
    const file = join(folder, 'mesh.json');
    const down = [{ address: '127.0.0.1:1' }, { address: '127.0.0.2:1' }];
    const services = [
      { host: 'reviews', endpoints: [{ address }], trafficPolicy },
      { host: 'down', endpoints: down, trafficPolicy },
    ];
    await writeFile(file, JSON.stringify({ services }));
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', program, file]);
    expect(stdout).toBe('done\n');
  });
});
