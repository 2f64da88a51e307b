import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { registryActions } from '../../src/cli/registry-command.ts';
import { createMesh, type Mesh } from '../../src/index.ts';
import { documentBackends, secret } from './document-backends.ts';
import { type Ending, inmesh, inmeshRegistry } from './inmesh-program.ts';
import { hasServer, temporaryFolder } from './server-process.ts';

const waitTimeoutMs = 10_000;

const services = (...hosts: string[]) => `services: [${hosts.map((host) => `{ host: ${host} }`).join(', ')}]\n`;

/** The version that a line of the command tells. */
function versionIn({ out }: Ending): string {
  return /: version (\d+)/.exec(out)?.[1] ?? `none in ${out}`;
}

for (const backend of documentBackends()) {
  describe.skipIf(!hasServer(backend.name))(`inmesh registry, with a real ${backend.name}`, () => {
    const folder = temporaryFolder('cli');
    const meshes: Mesh[] = [];
    let prefix = '';
    let prefixes = 0;

    beforeAll(() => backend.start());
    afterAll(async () => {
      await backend.dispose();
      folder.remove();
    });
    beforeEach(() => {
      prefix = `cli${++prefixes}`;
    });
    afterEach(async () => {
      await Promise.all(meshes.splice(0).map((mesh) => mesh.close()));
    });

    function file(text: string, name = 'mesh.yaml'): string {
      const path = join(folder.path, name);
      writeFileSync(path, text);
      return path;
    }

    const run = (action: (typeof registryActions)[number], ...args: string[]) =>
      inmeshRegistry(backend.address(prefix), action, args);

    const program = (action: string, ...args: string[]) =>
      inmesh(['registry', action, ...args, '--registry', backend.address(prefix)]);

    it('publishes a document, a changed one over it, and leaves one alone that is the same', async () => {
      const path = file(services('one'));
      const first = await program('apply', path);
      const version = versionIn(first);
      expect(first).toEqual({
        status: 0,
        out: `mesh is in force: version ${version}, before there was none\n`,
        err: '',
      });
      expect(await program('get')).toEqual({ status: 0, out: services('one'), err: '' });
      expect((await program('apply', path)).out).toBe(`mesh is unchanged: version ${version}\n`);
      file(services('one', 'two'));
      const second = await program('apply', path);
      expect(second.out).toBe(`mesh is in force: version ${versionIn(second)}, before ${version}\n`);
      expect(versionIn(second)).not.toBe(version);
      expect((await program('get', '--name', 'mesh')).out).toBe(services('one', 'two'));
    });

    it('refuses a document that is not valid with the place of each problem, and writes nothing', async () => {
      const path = file('services:\n  - host: one\n    endpoints: [{ address: nowhere }]\n    timeout: 3s\n');
      const { status, out, err } = await run('apply', path);
      expect([status, out]).toEqual([1, '']);
      expect(err).toContain(`${path}:3:28: services[0].endpoints[0].address: `);
      expect(err).toContain(`${path}:4:5: services[0].timeout: `);
      expect(err).toMatch(/nothing was written\n$/);
      const { status: found, err: why } = await run('get');
      expect([found, why]).toEqual([1, 'which document is meant (--name)? there are none\n']);
      expect((await run('history')).out).toBe('');
    });

    it('refuses a document that is good alone, and not beside another one that is in force', async () => {
      const base = file(services('one'), 'base.yaml');
      expect((await run('apply', base)).status).toBe(0);
      const path = file(services('two', 'one'), 'team.yaml');
      expect((await inmesh(['check', path])).status).toBe(0);
      const { status, err } = await run('apply', path);
      expect(status).toBe(1);
      expect(err).toMatch(/team\.yaml:1:\d+: services\[1\].*one/);
      expect(err).toContain('base:1:');
      expect((await run('get', '--name', 'team')).err).toBe('there is no document team; there are base\n');
      file(services('two'), 'team.yaml');
      expect((await run('apply', path)).status).toBe(0);
      // With two of them nobody can tell which is meant.
      expect((await run('get')).err).toBe('which document is meant (--name)? there are base, team\n');
    });

    it('takes warnings for problems when it is told to', async () => {
      const path = file('services: [{ host: one, subjectAltNames: [spiffe://a/b] }]\n');
      const { status, err } = await run('apply', path, '--strict');
      expect([status, err.split('\n').slice(-2)]).toEqual([
        1,
        ['nothing was written: with --strict a warning is a problem', ''],
      ]);
      expect((await run('get')).status).toBe(1);
      expect(await run('apply', path)).toMatchObject({ status: 0, err: expect.stringContaining('warning: ') });
    });

    it('shows what a file would change, and nothing when that is nothing', async () => {
      const path = file('# one\nservices:\n  - host: one\n');
      const fresh = await run('diff', path);
      expect(fresh.status).toBe(1);
      expect(fresh.out).toContain('--- nothing');
      expect(fresh.out).toContain('+  - host: one');
      const version = versionIn(await run('apply', path));
      expect(await run('diff', path)).toEqual({ status: 0, out: '', err: '' });
      file('# one\nservices:\n  - host: two\n');
      const { status, out } = await run('diff', path);
      expect(status).toBe(1);
      const lines = out.split('\n').filter((line) => !line.startsWith('='));
      expect(lines).toEqual([
        `--- mesh version ${version}`,
        `+++ ${path}`,
        '@@ -1,3 +1,3 @@',
        ' # one',
        ' services:',
        '-  - host: one',
        '+  - host: two',
        '',
      ]);
    });

    it('writes over the version that is expected, and over no other', async () => {
      const path = file(services('one'));
      const first = versionIn(await run('apply', path));
      file(services('two'));
      const second = versionIn(await run('apply', path, '--expect', first));
      file(services('three'));
      const late = await run('apply', path, '--expect', first);
      expect([late.status, late.out]).toEqual([1, '']);
      expect(late.err).toContain(`${prefix}/documents/mesh`);
      expect(late.err).toContain(first);
      expect(late.err).toContain(second);
      expect((await run('get')).out).toBe(services('two'));
      expect((await run('rollback', '--expect', first)).status).toBe(1);
      expect((await run('get')).out).toBe(services('two'));
    });

    it('lets one of those win who publish at once, and tells the others', async () => {
      const versions = await Promise.all(
        ['a', 'b', 'c'].map((host) => program('apply', file(services(host), `${host}.yaml`), '--name', 'mesh')),
      );
      const winners = versions.filter(({ status }) => status === 0);
      expect(winners.length).toBeGreaterThan(0);
      for (const { status, err } of versions) if (status !== 0) expect(err).toContain(`${prefix}/documents/mesh`);
      const { out } = await run('history');
      expect(out.trimEnd().split('\n')).toHaveLength(winners.length);
    });

    it('goes back to the former version, or to the one that is named', async () => {
      const path = file(services('one'));
      const first = versionIn(await run('apply', path));
      file(services('two'));
      const second = versionIn(await run('apply', path));
      file(services('three'));
      const third = versionIn(await run('apply', path));
      const history = (await run('history')).out.trimEnd().split('\n');
      expect(history.map((line) => line.split('\t')[0])).toEqual([third, second, first]);
      expect(history[0]).toBe(`${third}\tin force`);
      expect(history[1]).toMatch(/\tuntil \d{4}-\d\d-\d\dT[\d:.]+Z$/);

      const back = await run('rollback');
      const fourth = versionIn(back);
      expect(back.out).toBe(`mesh is again what it was at version ${second}: version ${fourth}, before ${third}\n`);
      expect((await run('get')).out).toBe(services('two'));
      expect((await run('rollback', '--to', first)).status).toBe(0);
      expect((await run('get')).out).toBe(services('one'));
      const unknown = await run('rollback', '--to', '1');
      expect([unknown.status, unknown.err.startsWith('mesh has no version 1; kept are ')]).toEqual([1, true]);
    });

    it('does not go back to what is not good any more', async () => {
      const path = file(services('one', 'two'));
      await run('apply', path);
      file(services('one'));
      await run('apply', path);
      await run('apply', file(services('two'), 'team.yaml'));
      const { status, err } = await run('rollback', '--name', 'mesh');
      expect(status).toBe(1);
      expect(err).toMatch(/mesh version \d+:1:\d+: services\[1\]/);
      expect((await run('get', '--name', 'mesh')).out).toBe(services('one'));
    });

    it('shows what processes run on, and what they refuse and why', async () => {
      const version = versionIn(await run('apply', file(services('one'))));
      meshes.push(await createMesh({ service: 'shop', registry: backend.address(prefix) }));
      const good = await until(
        () => run('watchers'),
        ({ out }) => out !== '',
      );
      expect(good.status).toBe(0);
      expect(good.out).toMatch(new RegExp(`^shop/\\S+\\truns on ${version}\n$`));

      await backend.put(prefix, 'mesh', 'services:\n  - host: 7\n');
      const bad = await until(
        () => run('watchers'),
        ({ out }) => out.includes('refuses'),
      );
      expect(bad.status).toBe(1);
      const [line, problem] = bad.out.split('\n');
      expect(line).toMatch(new RegExp(`^shop/\\S+\\truns on ${version}\trefuses \\d+$`));
      expect(problem).toMatch(/^\t.*\/documents\/mesh:2:11: services\[0\]\.host: /);

      await Promise.all(meshes.splice(0).map((mesh) => mesh.close()));
      expect(await run('watchers')).toEqual({ status: 0, out: '', err: '' });
    });

    it('finds the registry in the environment when it is not told which', async () => {
      await run('apply', file(services('one')));
      const address = backend.address(prefix);
      expect((await inmesh(['registry', 'get'], { INMESH_REGISTRY: address })).out).toBe(services('one'));
      // What is said on the line counts.
      const [args, env] = [['registry', 'get', '--registry', address], { INMESH_REGISTRY: backend.wrongAddress }];
      expect((await inmesh(args, env)).out).toBe(services('one'));
    });

    it('names a registry that does not answer, and none of its secrets', async () => {
      const path = file(services('one'));
      for (const args of [['get'], ['apply', path], ['watchers']]) {
        const { status, out, err } = await inmesh(['registry', ...args, '--registry', backend.wrongAddress]);
        expect([status, out]).toEqual([1, '']);
        expect(err).toContain(`${backend.name}://127.0.0.1:1/inmesh: `);
        expect(err).not.toContain(secret);
      }
    });

    it('takes no file where none is of use, and one where it needs one', async () => {
      const [without, beyond] = [await run('apply'), await run('get', file(services('one')))];
      expect(without).toEqual({ status: 1, out: '', err: 'apply: 0 files are given; allowed is one\n' });
      expect(beyond).toEqual({ status: 1, out: '', err: 'get: 1 files are given; allowed is none\n' });
    });
  });
}

describe('inmesh registry', () => {
  it('says where documents can be written when that is not there', async () => {
    const { status, err } = await inmesh(['registry', 'get', '--registry', 'file:./mesh.yaml']);
    expect([status, err]).toEqual([
      1,
      'file:./mesh.yaml: documents cannot be written there by this command; allowed: consul:, etcd: and kubernetes:\n',
    ]);
  });

  it('repeats nothing of an address that is none', async () => {
    for (const address of [
      `consul://:${secret}@`,
      `etcd://a:${secret}@b:c`,
      `consul://a?tokn=${secret}`,
      `x://${secret}`,
    ]) {
      const { status, err } = await inmesh(['registry', 'get', '--registry', address]);
      expect([status, err.startsWith('option registry')]).toEqual([1, true]);
      expect(err).not.toContain(secret);
    }
  });
});

/** What `look` says once it is `good`. */
async function until<T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> {
  const giveUpAt = performance.now() + waitTimeoutMs;
  for (;;) {
    const seen = await look();
    if (good(seen)) return seen;
    if (performance.now() > giveUpAt) throw new Error(`after ${waitTimeoutMs} ms: ${JSON.stringify(seen)}`);
    await sleep(50);
  }
}
