import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, echo } from './bench.ts';

const bench = new Bench();
afterEach(() => bench.close());

const register = fileURLToPath(new URL('../../src/adapters/register.ts', import.meta.url));

/** Runs `program` with `--import` of the module and this environment, until it exits by itself. */
async function run(program: string, env: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
  bench.onClose(() => rm(folder, { recursive: true }));
  const { address } = await bench.server(echo);
  const file = join(folder, 'mesh.json');
  await writeFile(file, JSON.stringify({ services: [{ host: 'reviews', endpoints: [{ address }] }] }));
  const environment = {
    PATH: process.env.PATH,
    INMESH_REGISTRY: `file:${file}`,
    OUTSIDE: `http://${address}/`,
    ...env,
  };
  const args = ['--no-warnings', '--import', register, '--input-type=module', '--eval', program];
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    const options = { env: environment, timeout: 15_000 } as never;
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({
        code: error === null ? 0 : (error.code ?? error.signal),
        stdout: String(stdout),
        stderr: String(stderr),
      });
    });
  });
}

const fetchBoth = `
  const seen = await (await fetch('http://reviews/1')).json();
  const outside = await fetch(process.env.OUTSIDE).then((response) => response.status, (error) => error.cause.code);
  console.log(seen.headers.host, outside);
`;

describe('node --import inmesh/register', () => {
  it('brings a process into the mesh, which exits by itself', async () => {
    expect(await run(fetchBoth, {})).toMatchObject({ code: 0, stdout: 'reviews 200\n' });
  });

  it('refuses unknown hosts when told to', async () => {
    expect(await run(fetchBoth, { INMESH_UNKNOWN: 'refuse' })).toMatchObject({
      code: 0,
      stdout: 'reviews INMESH_UNKNOWN_HOST\n',
    });
  });

  it.each([
    ['without a registry', { INMESH_REGISTRY: '' }, /INMESH_REGISTRY is not set/],
    ['with a registry that is none', { INMESH_REGISTRY: 'nonsense' }, /option registry/],
    ['with a word that is none', { INMESH_UNKNOWN: 'maybe' }, /pass, refuse/],
  ])('%s fails at the start and says why', async (_name, env, message) => {
    const { code, stderr } = await run('console.log(1)', env);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});
