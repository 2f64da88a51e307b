import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'inmesh-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function inmesh(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/cli/inmesh.ts', ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('inmesh', () => {
  it('prints the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(inmesh('--version')).toMatchObject({ status: 0, stdout: `${version}\n` });
  });

  it('explains itself when the words are off', () => {
    expect(inmesh()).toMatchObject({ status: 2, stderr: expect.stringContaining('usage: inmesh check') });
    expect(inmesh('chekc')).toMatchObject({ status: 2, stderr: expect.stringContaining('unknown command chekc') });
    expect(inmesh('--nope')).toMatchObject({ status: 2, stderr: expect.stringContaining('--nope') });
  });

  it('takes --to for a rollback alone', () => {
    const args = ['registry', 'apply', 'mesh.yaml', '--registry', 'consul://127.0.0.1:1', '--to', '3'];
    expect(inmesh(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining('--to is for rollback') });
  });

  it('accepts a valid document', () => {
    const path = file('good.yaml', 'services:\n  - host: reviews\n    endpoints: [{ address: 127.0.0.1:1 }]\n');
    expect(inmesh('check', path)).toMatchObject({ status: 0, stdout: 'valid: 1 services, rules for 0 hosts\n' });
  });

  it('names file, line, column and path of each problem', () => {
    const path = file('bad.yaml', 'services:\n  - host: reviews\n    endpoints: [{ address: nowhere }]\n');
    const { status, stderr } = inmesh('check', path);
    expect(status).toBe(1);
    expect(stderr).toContain(`${path}:3:28: services[0].endpoints[0].address:`);
  });

  it('says which file is missing', () => {
    expect(inmesh('check', join(folder, 'none.yaml'))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('none.yaml'),
    });
  });
});

describe('inmesh check', () => {
  it('refuses a document whose certificate files are not good, as a mesh would', () => {
    const tls = (ca: string) => `trafficPolicy: { tls: { mode: SIMPLE, caCertificates: ${ca} } }`;
    const missing = join(folder, 'none.pem');
    const empty = file('empty.pem', '');
    const path = file('tls.yaml', `services: [{ host: a, ${tls(missing)} }, { host: b, ${tls(empty)} }]`);
    expect(inmesh('check', path)).toMatchObject({
      status: 1,
      stderr: `a: ${missing} cannot be read (ENOENT)\nb: ${empty} holds no PEM certificate\n`,
    });
  });

  it('takes paths as the option registry has them', () => {
    const [one, two] = [file('one.yaml', 'services: [{ host: one }]'), file('two.yaml', 'services: [{ host: two }]')];
    const stdout = 'valid: 2 services, rules for 0 hosts\n';
    expect(inmesh('check', `file:${one},${two}`)).toMatchObject({ status: 0, stdout });
  });
});
