import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile.ts';
import { largeTextLength, parseDocument, readYamlInThread } from '../../src/config/parse-document.ts';
import { ProblemList } from '../../src/config/problem-list.ts';
import { readYaml } from '../../src/config/read-yaml.ts';

function manyEndpoints(count: number, lastAddress: string): string {
  const lines = ['services:', '  - host: reviews', '    endpoints:'];
  for (let index = 0; index < count; index++) {
    lines.push(`      - { address: "10.0.${index >> 8}.${index & 255}:9080", labels: { version: v1, zone: abc } }`);
  }
  lines.push(`      - { address: "${lastAddress}" }`);
  return lines.join('\n');
}

const workerUrl = new URL('../../src/config/parse-worker.ts', import.meta.url);

describe('parseDocument', () => {
  it('gives the same for a large text as for a small one', async () => {
    const text = manyEndpoints(4_000, 'last:1');
    expect(text.length).toBeGreaterThan(largeTextLength);
    const result = await compile([{ name: 'mesh.yaml', text }]);
    expect(result.ok && result.config.services.get('reviews')?.endpoints.at(-1)).toMatchObject({
      host: 'last',
      port: 1,
    });
  });

  it('knows the positions in a large text', async () => {
    const result = await compile([{ name: 'mesh.yaml', text: manyEndpoints(4_000, 'last') }]);
    expect(result).toEqual({
      ok: false,
      problems: [
        'mesh.yaml:4004:20: services[0].endpoints[4000].address: is "last"; allowed: host:port, [::1]:port or unix:/path',
      ],
    });
  });

  it('goes on without a byte order mark', async () => {
    const source = await parseDocument({ name: 'a', text: '\ufeffx: 1' }, new ProblemList());
    expect(source?.place(['x'], 'key')).toBe('a:1:1: x');
    expect(source?.place(['x'], 'value')).toBe('a:1:4: x');
    expect(source?.place(['x', 'y'], 'key')).toBe('a:1:4: x.y');
  });
});

describe('readYamlInThread', () => {
  it('answers what a reading on this thread does', async () => {
    for (const text of ['a: [1, { b: c }]', 'a: [', '']) {
      expect(await readYamlInThread(text, workerUrl)).toEqual(readYaml(text));
    }
  });

  it('reads on this thread when the file of the other is missing', async () => {
    const missing = new URL('./no-such-worker.js', import.meta.url);
    expect(await readYamlInThread('a: 1', missing)).toEqual(readYaml('a: 1'));
  });
});
