import { describe, expect, it } from 'vitest';
import { closestName, didYouMean, NameSearch } from '../../src/config/closest-name.ts';

describe('closestName', () => {
  it.each([
    ['endpoint', 'endpoints'],
    ['subestes', 'subsets'],
    ['HOST', 'host'],
    ['hsot', 'host'],
  ])('finds what %s was meant to be', (written, meant) => {
    expect(closestName(written, ['host', 'subsets', 'endpoints'])).toBe(meant);
  });

  it('finds nothing when nothing is close', () => {
    expect(closestName('x', ['host', 'y'])).toBeUndefined();
    expect(closestName('retries', ['timeout'])).toBeUndefined();
    expect(closestName('h'.repeat(10_000), ['host'])).toBeUndefined();
  });

  it('words a hint, or none', () => {
    expect(didYouMean('hsot', ['host'])).toBe('; did you mean "host"?');
    expect(didYouMean('timeout', ['host'])).toBe('');
  });
});

describe('NameSearch', () => {
  it('finds nothing any more after its number of comparisons', () => {
    const search = new NameSearch(['host', 'port'], 2);
    expect(['hsot', 'prot', 'hsot'].map((name) => search.closest(name))).toEqual(['host', undefined, undefined]);
  });

  it('does not count names of quite another length', () => {
    const search = new NameSearch(['a-name-of-another-length', 'host'], 1);
    expect(search.closest('hsot')).toBe('host');
  });
});
