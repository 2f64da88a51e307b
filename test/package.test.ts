import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const { sideEffects } = JSON.parse(readFileSync('package.json', 'utf8')) as { sideEffects: string[] };
const listed = sideEffects.map((path) => path.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts'));

describe('package.json', () => {
  it('tells bundlers which files do something when they are imported', () => {
    const doing = globSync('src/**/*.ts').filter((file) =>
      // A statement at the left margin that declares nothing, or that waits.
      /^(?!import|export|type|interface|class|const|let|function|async|abstract)[a-zA-Z(]|^const .* = await /m.test(
        readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''),
      ),
    );
    const covered = new Set(globSync(listed));
    expect(doing.filter((file) => !covered.has(file))).toEqual([]);
    expect(doing).toContain('src/adapters/register.ts');
    expect(listed.every((path) => path.includes('*') || existsSync(path))).toBe(true);
  });
});
