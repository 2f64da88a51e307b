import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import type { SimulateArguments } from '../../../src/cli/simulate/plan-runs.ts';
import { simulate } from '../../../src/cli/simulate/simulate.ts';

const folder = mkdtempSync(join(tmpdir(), 'inmesh-simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const one = file(
  'one.yaml',
  'services:\n  - host: Reviews\n    endpoints: [{ address: 127.0.0.1:1 }]\n  - host: ratings\n',
);

async function inmesh(paths: string[], given: SimulateArguments) {
  let [stdout, stderr] = ['', ''];
  const stream = (add: (text: string) => void) =>
    new Writable({
      write: (chunk, _encoding, done) => {
        add(String(chunk));
        done();
      },
    });
  const out = stream((text) => {
    stdout += text;
  });
  const err = stream((text) => {
    stderr += text;
  });
  return { status: await simulate(paths, given, { out, err }), stdout, stderr };
}

describe('inmesh simulate', () => {
  it('prints what came of each scenario', async () => {
    const { status, stdout } = await inmesh([one], { scenario: 'steady,sinkhole', duration: '8s', rps: '20' });
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^steady: nothing happens\n +calls +success +p50 +p99 +p99\.9 +requests per call +ejections\n/,
    );
    expect(stdout).toMatch(/\nsinkhole: .*\n.*\nbefore +\d+ +100\.00%/);
    expect(stdout).toMatch(/\nduring +\d+ +0\.00%/);
    expect(stdout).toContain('█');
  });

  it('compares two documents, in text and in pictures', async () => {
    const other = file('other.yaml', 'services:\n  - host: reviews\n    trafficPolicy: { retries: { max: 0 } }\n');
    const [svg, html] = [join(folder, 'out.svg'), join(folder, 'out.html')];
    const given = { scenario: 'retry-storm', against: other, duration: '8s', rps: '20', svg, html };
    const { status, stdout } = await inmesh([one], given);
    expect(status).toBe(0);
    expect(stdout).toContain(`${one}\nretry-storm`);
    expect(stdout).toContain(`${other}\nretry-storm`);
    expect(readFileSync(svg, 'utf8').match(/<path /g)).toHaveLength(8);
    const page = readFileSync(html, 'utf8');
    expect(page.match(/<pre>/g)).toHaveLength(2);
    expect(page.match(/<figure>/g)).toHaveLength(4);
  });

  it('takes the service that is asked for', async () => {
    const { status } = await inmesh([one], { scenario: 'steady', service: 'RATINGS', duration: '4s', rps: '5' });
    expect(status).toBe(0);
    expect(await inmesh([one], { scenario: 'steady', service: 'nobody' })).toMatchObject({
      status: 1,
      stderr: 'no service nobody; there are reviews, ratings\n',
    });
  });

  it.each([
    [{}, 'which scenario?'],
    [{ scenario: 'flood' }, 'unknown scenario flood; allowed are'],
    [{ scenario: 'steady', rps: '0' }, '--rps is 0; allowed are 1–100000'],
    [{ scenario: 'steady', duration: '60' }, '--duration is 60; allowed are durations'],
    [{ scenario: 'steady', latency: '0.001ms' }, '--latency is 0.001ms; allowed are durations from 1ms'],
    [{ scenario: 'steady', url: 'nowhere' }, '--url is nowhere; allowed are http URLs of Reviews, ratings'],
    [{ scenario: 'steady', url: 'http://other/' }, '--url is http://other/; allowed are http URLs'],
    [{ scenario: 'steady', method: 'G T' }, '--method is G T; allowed are GET'],
    [{ scenario: 'steady', seed: 'x' }, '--seed is x; allowed are'],
  ] as const)('says what is allowed instead of %j', async (given, message) => {
    const { status, stderr } = await inmesh([one], given);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });

  it('makes up as many endpoints as are allowed', async () => {
    const given = { scenario: 'steady', service: 'ratings', endpoints: '1000', rps: '5', duration: '4s' };
    expect(await inmesh([one], given)).toMatchObject({ status: 0, stderr: '' });
  });

  it('refuses a document that a mesh would refuse, with the position', async () => {
    const bad = file('bad.yaml', 'services:\n  - host: reviews\n    endpoints: [{ address: nowhere }]\n');
    const { status, stderr } = await inmesh([bad], { scenario: 'steady' });
    expect(status).toBe(1);
    expect(stderr).toContain(`${bad}:3:28: services[0].endpoints[0].address:`);
  });

  it('says that there is nothing to simulate', async () => {
    const { stderr } = await inmesh([file('empty.yaml', 'services: []\n')], { scenario: 'steady' });
    expect(stderr).toBe('the document has no services\n');
  });
});
