import { describe, expect, it } from 'vitest';
import { maxProblems, ProblemList } from '../../src/config/problem-list.ts';
import { SourceDocument } from '../../src/config/source-document.ts';

describe('ProblemList', () => {
  it('words no more problems than it tells, and counts the others', () => {
    const source = Object.create(SourceDocument.prototype, { place: { value: () => 'here' } }) as SourceDocument;
    const problems = new ProblemList();
    let worded = 0;
    for (let index = 0; index < maxProblems + 7; index++) problems.add(source, [], () => `problem ${worded++}`);
    expect(worded).toBe(maxProblems);
    expect(problems.texts().at(0)).toBe('here: problem 0');
    expect(problems.texts().at(-1)).toBe('and 7 more');
  });
});
