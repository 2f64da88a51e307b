/**
 * Do the examples run, as a reader would run them? Against the built package, by its name.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const timeoutMs = 30_000;

/** The output of an example that ends by itself, with exit code 0. */
async function outputOf(example: string): Promise<string> {
  const program = fileURLToPath(new URL(`../../examples/${example}/main.ts`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: timeoutMs });
  return stdout;
}

it('quick-start is answered in spite of a failure, falls back in time, and refuses a stranger', {
  timeout: timeoutMs,
}, async () => {
  const lines = (await outputOf('quick-start')).trimEnd().split('\n');
  expect(lines.slice(0, 5)).toEqual([
    '200 hello Ada',
    '200 hello Grace',
    '200 hello Barbara',
    '4 requests for 3 calls',
    '200 hello, whoever you are',
  ]);
  expect(lines[5]).toMatch(/^elsewhere is not a service of the registry/);
  expect(lines).toHaveLength(6);
});

it('prometheus shows the calls of the mesh beside the metrics of the program', { timeout: timeoutMs }, async () => {
  const output = await outputOf('prometheus');
  expect(output).toMatch(/^shop_orders_total 100$/m);
  expect(output).toMatch(/^inmesh_calls_total\{service="prices",outcome="success",status="2xx"\} 100$/m);
  expect(output).toMatch(/^inmesh_endpoints\{service="prices"\} 2$/m);
  const failures = /^inmesh_attempts_total\{.*outcome="failure",status="5xx",cause="status"\} (\d+)$/m.exec(
    output,
  )?.[1];
  const retries = /^inmesh_retries_total\{service="prices"\} (\d+)$/m.exec(output)?.[1];
  expect(Number(failures)).toBeGreaterThan(0);
  expect(retries).toBe(failures);
});

it('tracing shows a span for the call, and the trace goes on from each attempt', { timeout: timeoutMs }, async () => {
  const [tree = '', sent = ''] = (await outputOf('tracing')).trimEnd().split('\n\nthe service was sent\n');
  const spans = tree.split('\n').map((line) => /^(\w{8}) (\w{8}) ( *)(.*)$/.exec(line)?.slice(1) ?? []);
  expect(spans.map(([, , indent, text]) => `${indent}${text}`)).toEqual([
    'order',
    '  GET prices  200',
    '    GET to an endpoint 503',
    '    GET to an endpoint 200',
  ]);
  const parents = sent.split('\n').map((line) =>
    line
      .split('-')
      .slice(1, 3)
      .map((id) => id.slice(0, 8)),
  );
  expect(parents).toEqual(spans.slice(2).map(([trace, span]) => [trace, span]));
});
