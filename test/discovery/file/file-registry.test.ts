import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { isMeshError } from '../../../src/core/errors.ts';
import { FileRegistry } from '../../../src/discovery/file/file-registry.ts';
import type { RawDocument } from '../../../src/discovery/registry.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { registryContract } from '../../contracts/registry-contract.ts';
import { documentAddresses } from '../document-addresses.ts';

/** As a careful deployment does: readers see the old file or the new one. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

for (const [way, write] of [
  ['replaced', replace],
  ['written in place', writeFile],
] as const) {
  registryContract(`FileRegistry over a file that is ${way}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
    const file = join(folder, 'mesh.json');
    const registry = new FileRegistry({ paths: [file], clock: systemClock, quietMs: 1 });
    return {
      registry,
      watch: (sink) => registry.watchDocuments(documentAddresses(sink)),
      publish: (addresses) => write(file, JSON.stringify({ addresses })),
      publishNonsense: () => write(file, '{ "addresses": ['),
      tick: async () => {},
      dispose: () => rm(folder, { recursive: true }),
    };
  });
}

type Told = readonly RawDocument[] | Error;

/** The next things that a watch tells, in order. */
class Telling {
  private readonly told: Told[] = [];
  private wake: (() => void) | undefined;

  readonly sink = {
    set: (documents: readonly RawDocument[]) => {
      this.tell(documents);
      return { accepted: true } as const;
    },
    absent: () => this.tell(new Error('absent')),
    failed: (error: Error) => this.tell(error),
  };

  /** Waits for something that fulfils the condition; what came before is forgotten. */
  async until(condition: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      for (let told = this.told.shift(); told !== undefined; told = this.told.shift()) {
        if (condition(told)) return told;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Waits for documents with these texts. */
  texts(...expected: string[]): Promise<Told> {
    return this.until((told) => Array.isArray(told) && told.map(({ text }) => text).join() === expected.join());
  }

  failure(): Promise<Told> {
    return this.until((told) => told instanceof Error);
  }

  private tell(told: Told): void {
    this.told.push(told);
    this.wake?.();
  }
}

describe('FileRegistry', () => {
  let folder: string;
  let registry: FileRegistry;
  let telling: Telling;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
    telling = new Telling();
  });

  afterEach(async () => {
    await registry.close();
    await rm(folder, { recursive: true, force: true });
  });

  function watch(...paths: string[]): void {
    registry = new FileRegistry({ paths, clock: systemClock, quietMs: 1 });
    registry.watchDocuments(telling.sink);
  }

  it('survives the deletion of a file, and sees it when it is made again', async () => {
    const file = join(folder, 'mesh.yaml');
    await writeFile(file, 'first');
    watch(file);
    await telling.texts('first');
    await rm(file);
    const error = await telling.failure();
    expect(isMeshError(error, 'INMESH_REGISTRY')).toBe(true);
    await writeFile(file, 'second');
    await telling.texts('second');
  });

  it('reads several files as several documents, in the order given', async () => {
    const [one, two] = [join(folder, 'one.yaml'), join(folder, 'two.json')] as const;
    await writeFile(one, 'a');
    await writeFile(two, 'b');
    watch(two, one);
    expect(await telling.texts('b', 'a')).toEqual([
      { name: two, text: 'b' },
      { name: one, text: 'a' },
    ]);
    await replace(one, 'c');
    await telling.texts('b', 'c');
    await rm(two);
    await telling.failure();
  });

  it('reads the documents of a folder by name, and nothing that editors leave there', async () => {
    await writeFile(join(folder, '.b.yaml.swp'), 'no');
    await writeFile(join(folder, 'b.yaml~'), 'no');
    await writeFile(join(folder, '.#b.yaml'), 'no');
    await writeFile(join(folder, '.hidden.yaml'), 'no');
    await writeFile(join(folder, 'README.md'), 'no');
    await writeFile(join(folder, 'b.yml'), 'b');
    await writeFile(join(folder, 'a.yaml'), 'a');
    watch(folder);
    await telling.texts('a', 'b');
    await writeFile(join(folder, 'c.json'), 'c');
    await telling.texts('a', 'b', 'c');
    await rm(join(folder, 'b.yml'));
    await telling.texts('a', 'c');
  });

  it('does not take an empty folder for an empty mesh', async () => {
    watch(folder);
    expect(String(await telling.failure())).toContain('has no file that ends in .yaml, .yml or .json');
    await writeFile(join(folder, 'a.yaml'), 'a');
    await telling.texts('a');
  });

  it('sees the change of a Kubernetes ConfigMap, where the folder of the links is swapped', async () => {
    for (const version of ['v1', 'v2']) {
      await mkdir(join(folder, version));
      await writeFile(join(folder, version, 'mesh.yaml'), version);
    }
    await symlink('v1', join(folder, '..data'));
    await symlink('..data/mesh.yaml', join(folder, 'mesh.yaml'));
    watch(join(folder, 'mesh.yaml'));
    await telling.texts('v1');
    await symlink('v2', join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await telling.texts('v2');
  });

  it('polls for what brings no event: a folder that comes, goes and comes again', async () => {
    const clock = new VirtualClock();
    const file = join(folder, 'later', 'mesh.yaml');
    registry = new FileRegistry({ paths: [file], clock, pollMs: 1_000 });
    registry.watchDocuments(telling.sink);
    await telling.failure();
    for (const text of ['first', 'second']) {
      await mkdir(join(folder, 'later'));
      await writeFile(file, text);
      const told = telling.texts(text);
      await advanceUntil(clock, told);
      await rm(join(folder, 'later'), { recursive: true });
      await advanceUntil(clock, telling.failure());
    }
  });

  it('tells nothing while nothing changes, and leaves no timer when closed', async () => {
    const clock = new VirtualClock();
    const file = join(folder, 'mesh.yaml');
    await writeFile(file, 'same');
    registry = new FileRegistry({ paths: [file], clock, pollMs: 1_000 });
    let times = 0;
    const first = new Promise<void>((resolve) => {
      registry.watchDocuments({
        set: () => {
          times++;
          resolve();
          return { accepted: true };
        },
        absent: () => {},
        failed: () => {},
      });
    });
    await first;
    await replace(file, 'same');
    await clock.advance(60_000);
    expect(times).toBe(1);
    expect(clock.pendingTimers).toBe(clock.pendingBackgroundTimers);
    await registry.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not keep a process alive', async () => {
    const file = join(folder, 'mesh.yaml');
    await writeFile(file, 'content');
    watch(file);
    const source = (path: string) => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
    const script = `
      import { systemClock } from ${source('core/clock.ts')};
      import { FileRegistry } from ${source('discovery/file/file-registry.ts')};
      const registry = new FileRegistry({ paths: [${JSON.stringify(file)}], clock: systemClock });
      registry.watchDocuments({ set: (documents) => console.log(documents[0].text), absent() {}, failed() {} });
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(stdout).toBe('content\n');
  });

  it('refuses to watch nothing', () => {
    registry = new FileRegistry({ paths: ['x'], clock: systemClock });
    expect(() => new FileRegistry({ paths: [''], clock: systemClock })).toThrow('file: without a path');
    expect(() => new FileRegistry({ paths: [], clock: systemClock })).toThrow('file: without a path');
  });
});

/** Moves time on, turn by turn, until the promise settles: what is waited for takes real turns of the file system. */
async function advanceUntil(clock: VirtualClock, promise: Promise<unknown>): Promise<void> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  promise.then(mark, mark);
  while (!settled) await clock.advance(100);
  await promise;
}
