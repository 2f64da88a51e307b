import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What each folder of src may import besides itself. The table of ARCHITECTURE.md. */
const capabilities = ['discovery', 'routing', 'balancing', 'resilience', 'telemetry', 'tls', 'transport'];
const upToMesh = ['core', 'http', ...capabilities, 'config', 'mesh'];
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  http: ['core'],
  ...Object.fromEntries(capabilities.map((folder) => [folder, ['core', 'http']])),
  config: ['core', 'http', ...capabilities],
  mesh: upToMesh,
  adapters: upToMesh,
  cli: [...upToMesh, 'adapters', 'testing'],
  testing: [...upToMesh, 'adapters'],
  '.': [...upToMesh, 'adapters', 'testing'],
};

const maxLines = 300;
const maxFunctionLines = 70;

/** Where time and randomness come from, and the clock of simulations, which lets promises settle; nowhere else. */
/** The last one waits for a turn of the event loop, not for a time. */
const sources = new Set([
  'src/core/clock.ts',
  'src/core/random.ts',
  'src/testing/virtual-clock.ts',
  'src/discovery/loop-turns.ts',
]);
const forbidden = /\b(?:Date\.now|new Date\(\)|performance\.now|Math\.random|setTimeout|setInterval|setImmediate)\b/;

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : path.endsWith('.ts') ? [path] : [];
  });
}

const files = filesBelow('src');
const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));

function folderOf(file: string): string {
  const [first, ...rest] = relative('src', file).split('/');
  return rest.length === 0 ? '.' : (first as string);
}

function importsOf(file: string): string[] {
  const found = code(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map((match) => relative('.', resolve(dirname(file), match[1] as string)));
}

/** Lines of code without comments, so that an explanation may name what it explains. */
function code(file: string): string {
  return (texts.get(file) as string).replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

describe('the source', () => {
  it('keeps to the import table', () => {
    const broken = files.flatMap((file) => {
      const own = folderOf(file);
      return importsOf(file)
        .map((target) => ({ target, folder: folderOf(target) }))
        .filter(({ folder }) => folder !== own && !mayImport[own]?.includes(folder))
        .map(({ target }) => `${file} imports ${target}`);
    });
    expect(broken).toEqual([]);
  });

  it('has no cycles, imports of types included', () => {
    const cycles: string[] = [];
    const state = new Map<string, 'open' | 'done'>();
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      state.set(file, 'open');
      for (const target of importsOf(file)) if (texts.has(target)) visit(target, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('imports files that exist', () => {
    const missing = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => !texts.has(target))
        .map((target) => `${file}: ${target}`),
    );
    expect(missing).toEqual([]);
  });

  it(`has no file above ${maxLines} lines`, () => {
    const long = files.filter((file) => (texts.get(file) as string).split('\n').length > maxLines + 1);
    expect(long).toEqual([]);
  });

  it(`has no function above ${maxFunctionLines} lines`, () => {
    const long = files.flatMap((file) => {
      const lines = (texts.get(file) as string).split('\n');
      return lines.flatMap((line, start) => {
        const [, indent] =
          /^( *)(?:export )?(?:async )?(?:function\*? \w+|(?:private |override |static |readonly )*(?:async )?\*?\w+\(.*\).*\{$)/.exec(
            line,
          ) ?? [];
        if (indent === undefined || !/\{$/.test(line)) return [];
        const end = lines.findIndex((other, index) => index > start && other.startsWith(`${indent}}`));
        return end - start > maxFunctionLines ? [`${file}:${start + 1}`] : [];
      });
    });
    expect(long).toEqual([]);
  });

  it('takes time and randomness from Clock and Random only', () => {
    const guilty = files.filter((file) => !sources.has(file) && forbidden.test(code(file)));
    expect(guilty).toEqual([]);
  });

  it('names its files in kebab case, and none after a drawer', () => {
    const odd = files.filter((file) => !/^[a-z0-9-]+(\.[a-z]+)?\.ts$/.test(file.split('/').at(-1) as string));
    const drawers = files.filter((file) => /(?:^|\/|-)(?:utils?|helpers?|common|misc)(?:\.|\/|-)/.test(file));
    expect([...odd, ...drawers]).toEqual([]);
  });

  it('does not import at run time what is for examples and tests', () => {
    const guilty = files.filter((file) =>
      /from '(?:prom-client|@prometheus-io\/client|@opentelemetry\/sdk[^']*)'/.test(code(file)),
    );
    expect(guilty).toEqual([]);
  });
});
