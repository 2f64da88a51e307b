import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readYaml } from '../../src/config/read-yaml.ts';

function problemsOf(text: string): readonly (readonly [number, string])[] {
  const result = readYaml(text);
  return result.ok ? [] : result.problems.map(({ offset, message }) => [offset, message] as const);
}

function read(text: string): unknown {
  const result = readYaml(text);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.value;
}

describe('readYaml', () => {
  it('reads YAML and JSON, also JSON indented by tabs', () => {
    expect(read('a: [1, x]\nb: { c: true, d: ~ }')).toEqual({ a: [1, 'x'], b: { c: true, d: null } });
    expect(read('{\n\t"a": [1,\n\t\t"x"]\n}')).toEqual({ a: [1, 'x'] });
  });

  it('reads yes, dates and numbers with leading zeros as YAML 1.2 does', () => {
    expect(read('[yes, 2024-01-01, no, 0x1F, 1e3]')).toEqual(['yes', '2024-01-01', 'no', 31, 1000]);
  });

  it('notes the offsets of keys and values, in the order of Object.keys', () => {
    const text = 'b: 1\n"2": { x: y }\na: [u, v]';
    const result = readYaml(text);
    if (!result.ok) throw new Error('not read');
    expect(Object.keys(result.value as object)).toEqual(['2', 'b', 'a']);
    const at = (part: string) => text.indexOf(part);
    expect([...result.offsets]).toEqual(
      [
        [0, 0],
        [at('"2"'), at('{')],
        [at('x'), at('y')],
        [at('b'), at('1')],
        [at('a'), at('[')],
        [at('u'), at('u')],
        [at('v'), at('v')],
      ].flat(),
    );
  });

  it('resolves aliases to the last anchor before them', () => {
    expect(read('a: &x { p: 1 }\nb: *x\nc: &x 2\nd: *x')).toEqual({ a: { p: 1 }, b: { p: 1 }, c: 2, d: 2 });
  });

  it.each([
    ['', 0, 'is empty'],
    ['# only a comment\n', 0, 'is empty'],
    ['a: 1\n---\nb: 2', 5, 'a second document starts; a file holds one'],
    ['a:\n\t- b', 3, 'Tabs are not allowed as indentation'],
    ['a: 1\nb: 2\na: 3', 10, 'the key "a" stands here twice'],
    ['{"a": 1, "a": 2}', 9, 'the key "a" stands here twice'],
    ['a: !secret x', 3, 'Unresolved tag: !secret'],
    ['a: *nothing', 3, 'is an alias of an anchor that is not there'],
    ['a: &x { b: *x }', 11, 'nested more than 32 deep, counting what aliases stand for'],
    ['1: a', 0, 'a key is not a text; quote it'],
    ['? [a]\n: b', 2, 'a key is not a text; quote it'],
    ['a: 1\n__proto__: { x: 1 }', 5, 'the key __proto__ is not allowed'],
    ['{ "constructor": 1 }', 2, 'the key constructor is not allowed'],
    ['a: { <<: { b: 1 } }', 5, 'merge keys (<<) are not supported'],
  ])('refuses %j', (text, offset, message) => {
    expect(problemsOf(text)).toContainEqual([offset, message]);
  });

  it('ends an alias bomb', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 9; level++) {
      lines.push(
        `a${level}: &a${level} [${Array(9)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      );
    }
    const text = lines.join('\n');
    expect(problemsOf(text).map(([, message]) => message)).toEqual([
      `more than ${100_000 + text.length} values, counting what aliases stand for`,
    ]);
  });

  it('answers any text, and reads back what was written', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof readYaml(text).ok === 'boolean'));
    const key = fc.string().filter((name) => !['__proto__', 'constructor', 'prototype', '<<'].includes(name));
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    fc.assert(
      fc.property(fc.dictionary(key, fc.oneof(value, fc.array(value)), { minKeys: 1 }), (object) => {
        expect(read(stringify(object))).toEqual({ ...object });
      }),
    );
  });
});
