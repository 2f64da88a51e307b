import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument as parseYaml } from 'yaml';
import { checkDocument } from '../../src/config/check-document.ts';
import { parseDocument } from '../../src/config/parse-document.ts';
import { ProblemList } from '../../src/config/problem-list.ts';
import { fullDocument } from './full-document.ts';

type Path = readonly (string | number)[];

const paths = pathsOf(parseYaml(fullDocument));

/** Values of every type, in and out of every range. */
const garbage = [null, true, false, 0, -1, 1.5, 1e9, '', 'zzz', '5 parsecs', '0s', ':80', 'a b', [], {}, [[]], [null]];

const mutation = fc.record({
  path: fc.constantFrom(...paths),
  change: fc.oneof(
    fc.constant({ kind: 'delete' as const }),
    fc.record({ kind: fc.constant('rename' as const), name: fc.constantFrom('hsot', 'mirror', 'x', 'nmae', 'weihgt') }),
    fc.record({ kind: fc.constant('replace' as const), value: fc.constantFrom(...garbage) }),
  ),
});

describe('a mutated document', () => {
  it('is valid by the schema, or each problem is told at the mutated node', async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(mutation, async ({ path, change }) => {
        const { text, path: mutated } = mutate(path, change);
        const problems = new ProblemList();
        const source = await parseDocument({ name: 'mesh.yaml', text }, problems);
        expect(problems.texts()).toEqual([]);
        if (checkDocument(source!, problems) !== undefined) return;
        refused++;
        const places = problems.texts().map((problem) => /^mesh\.yaml:(\d+:\d+): /.exec(problem)?.[1]);
        const { own, parent } = positionsOf(text, mutated, change.kind === 'delete');
        expect(own).toContain(places.find((place) => own.includes(place ?? '')));
        // What a renamed or deleted field leaves missing is told at the object that it is missing from.
        for (const place of places) expect([...own, parent]).toContain(place);
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(200);
  });
});

function pathsOf(document: Document): Path[] {
  const found: Path[] = [];
  const walk = (node: unknown, path: Path): void => {
    if (path.length > 0) found.push(path);
    if (isMap(node))
      for (const { key, value } of node.items) walk(value, [...path, isScalar(key) ? String(key.value) : '']);
    if (isSeq(node)) for (const [index, item] of node.items.entries()) walk(item, [...path, index]);
  };
  walk(document.contents, []);
  return found;
}

function mutate(
  path: Path,
  change: { kind: 'delete' } | { kind: 'rename'; name: string } | { kind: 'replace'; value: unknown },
): { text: string; path: Path } {
  const document = parseYaml(fullDocument);
  let mutated = path;
  if (change.kind === 'delete') document.deleteIn(path);
  else if (change.kind === 'replace') document.setIn(path, document.createNode(change.value));
  else {
    const parent = document.getIn(path.slice(0, -1), true);
    if (isMap(parent) && !parent.has(change.name)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
      pair!.key = document.createNode(change.name);
      mutated = [...path.slice(0, -1), change.name];
    }
  }
  return { text: document.toString(), path: mutated };
}

/** The positions of the key and of the value at a path (or, of a deleted one, of what it was in), and of its parent. */
function positionsOf(text: string, path: Path, deleted: boolean): { own: string[]; parent: string } {
  const lines = new LineCounter();
  const document = parseYaml(text, { lineCounter: lines });
  const position = (node: unknown) => {
    const { line, col } = lines.linePos((node as Node).range![0]);
    return `${line}:${col}`;
  };
  const parentNode = document.getIn(path.slice(0, -1), true);
  const parent = position(parentNode);
  if (deleted) return { own: [parent], parent };
  const pair = isMap(parentNode)
    ? parentNode.items.find(({ key }) => isScalar(key) && key.value === path.at(-1))
    : undefined;
  const node = document.getIn(path, true);
  const children = isSeq(node) ? node.items : [];
  return { own: [pair?.key, node, ...children].filter(Boolean).map(position), parent };
}
