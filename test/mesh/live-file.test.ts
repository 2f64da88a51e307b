import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { events } from '../../src/core/events.ts';
import { createMesh } from '../../src/index.ts';
import { Bench } from '../adapters/bench.ts';
import { guardTests } from '../faults/guard-tests.ts';
import { CallerLoad } from './caller-load.ts';

const bench = new Bench();
afterEach(() => bench.close());
guardTests();

type Channel = 'configAccepted' | 'configRejected' | 'registryError';

/** The next message of a channel of this registry. */
function next(channel: Channel): Promise<unknown> {
  return new Promise((resolve) => {
    const listen = (message: unknown) => {
      events[channel].unsubscribe(listen);
      resolve(message);
    };
    events[channel].subscribe(listen);
  });
}

/** A mesh over a file that names the first of two servers, under load; `seen` counts what each got. */
async function open() {
  const seen = [0, 0];
  const addresses: string[] = [];
  for (const index of [0, 1]) {
    const { address } = await bench.server((_request, response) => {
      seen[index] = (seen[index] as number) + 1;
      response.end('ok');
    });
    addresses.push(address);
  }
  const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
  bench.onClose(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'mesh.yaml');
  const textFor = (index: number) =>
    `services:\n  - host: reviews\n    endpoints: [{ address: ${addresses[index]} }]\n`;
  await writeFile(file, textFor(0));
  const mesh = await createMesh({ service: 'productpage', registry: `file:${file}` });
  bench.onClose(() => mesh.close({ timeoutMs: 500 }));
  const load = new CallerLoad(mesh, 'http://reviews/');
  bench.onClose(() => load.stop());
  await load.more(20);
  /** All calls go to this server from now on. */
  const allAt = async (index: number) => {
    await load.more(20);
    const others = seen[1 - index];
    await load.more(20);
    expect(seen[1 - index]).toBe(others);
  };
  return { file, textFor, mesh, load, allAt };
}

describe('a registry file that changes under load', () => {
  it('is followed without a failed call, written in place or replaced', async () => {
    const { file, textFor, mesh, load, allAt } = await open();
    await allAt(0);
    const { version } = mesh.status().configuration;
    for (const index of [1, 0, 1]) {
      const accepted = next('configAccepted');
      if (index === 1) await writeFile(file, textFor(index));
      else {
        await writeFile(`${file}.new`, textFor(index));
        await rename(`${file}.new`, file);
      }
      await accepted;
      await allAt(index);
    }
    expect(mesh.status().configuration).not.toMatchObject({ version });
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('may be deleted, which changes nothing, and made again', async () => {
    const { file, textFor, mesh, load, allAt } = await open();
    const failed = next('registryError');
    await rm(file);
    expect(await failed).toMatchObject({ registry: `file:${file}`, error: { code: 'INMESH_REGISTRY' } });
    await allAt(0);
    const accepted = next('configAccepted');
    await writeFile(file, textFor(1));
    await accepted;
    await allAt(1);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(mesh.status().configuration.problems).toEqual([]);
  });

  it('is refused while it is not good, and followed again when it is', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { file, textFor, mesh, load, allAt } = await open();
    for (const bad of ['', 'services: [{ host: reviews, endpoint', 'services: []\nroute: []']) {
      const rejected = next('configRejected');
      await writeFile(file, bad);
      expect(await rejected).toMatchObject({ problems: expect.arrayContaining([expect.stringContaining(`${file}:`)]) });
      await allAt(0);
    }
    expect(mesh.status().configuration.problems).toEqual([expect.stringContaining('route: unknown field')]);
    const accepted = next('configAccepted');
    await writeFile(file, textFor(1));
    await accepted;
    await allAt(1);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(warned).toHaveBeenCalledTimes(3);
    warned.mockRestore();
  });
});
