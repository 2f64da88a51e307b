import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { publishDocument } from '../../../examples/bookinfo/publish-document.ts';
import { RegistryServer, registryKinds } from '../../../examples/bookinfo/registry-server.ts';
import { hasServer, temporaryFolder } from '../../backends/server-process.ts';

const owner = fileURLToPath(new URL('server-owner.ts', import.meta.url));

const disposals: (() => unknown)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

/** Whether anybody is at one of these: `etcd://127.0.0.1:1,127.0.0.1:2`. */
async function answers(address: string): Promise<boolean> {
  const ports = [...address.matchAll(/:(\d+)/g)].map(([, port]) => Number(port));
  expect(ports).not.toEqual([]);
  return (await Promise.all(ports.map(isTaken))).includes(true);
}

async function isTaken(port: number): Promise<boolean> {
  const socket = createConnection({ host: '127.0.0.1', port });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

function document(): string {
  const folder = temporaryFolder('bookinfo');
  disposals.push(folder.remove);
  const path = join(folder.path, 'mesh.yaml');
  writeFileSync(path, 'services: [{ host: one }]\n');
  return path;
}

for (const kind of registryKinds) {
  describe.skipIf(!hasServer(kind))(`the ${kind} of the demo`, () => {
    it('takes documents, is killed, and is back where it was', async () => {
      const server = await RegistryServer.open(kind);
      disposals.push(() => server.dispose());
      await server.start();
      const path = document();
      const version = await publishDocument(server.address, path);
      expect(await publishDocument(server.address, path)).toBe(version);
      await server.kill();
      expect(await answers(server.address)).toBe(false);
      await expect(publishDocument(server.address, path)).rejects.toThrow(server.address);
      await server.start();
      const again = await publishDocument(server.address, path);
      // An agent in development mode has lost it, and gives a version of its new life.
      if (kind === 'etcd') expect(again).toBe(version);
      expect(await publishDocument(server.address, path)).toBe(again);
      await server.dispose();
      expect(await answers(server.address)).toBe(false);
    });

    it('ends with who started it, whatever he died of', async () => {
      // What he leaves behind is here.
      const folder = temporaryFolder('owner');
      const child: ChildProcess = spawn(process.execPath, [owner, kind], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: folder.path },
      });
      disposals.push(() => child.kill('SIGKILL'), folder.remove);
      const [address] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
      expect(await answers(String(address))).toBe(true);
      child.kill('SIGKILL');
      await once(child, 'exit');
      while (await answers(String(address))) await sleep(20);
    });
  });
}
