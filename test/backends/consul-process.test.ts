import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { hasServer } from './server-process.ts';

const program = fileURLToPath(new URL('consul-process.ts', import.meta.url));

describe.skipIf(!hasServer('consul'))('a process with a Consul registry', () => {
  let consul: ConsulServer;

  beforeAll(async () => {
    consul = await startConsul();
    await consul.send('PUT', '/v1/kv/inmesh/documents/mesh', 'services: []');
  });
  afterAll(() => consul.dispose());

  it.each(['leave', 'close'])('exits by itself (%s)', async (end) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', program, consul.host, end]);
    expect(stdout).toBe('done\n');
  });
});
