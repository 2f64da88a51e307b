import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxDurationMs, parseDuration } from '../../src/config/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['250ms', 250],
    ['3s', 3_000],
    ['1.5s', 1_500],
    ['1m', 60_000],
    ['1h', 3_600_000],
    ['0.5ms', 0.5],
    ['576h', maxDurationMs],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    '3',
    's',
    '0s',
    '0.0ms',
    '-1s',
    '+1s',
    '1 s',
    '1S',
    '.5s',
    '1.s',
    '1e3ms',
    '1d',
    '1h30m',
    '577h',
    '3s\n',
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('reads whole ms back, and never gives a number that a timer cannot hold', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: maxDurationMs }), (ms) => {
        expect(parseDuration(`${ms}ms`)).toBe(ms);
      }),
    );
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('ms', 's', 'm', 'h'), (text, unit) => {
        const ms = parseDuration(text + unit);
        expect(ms === undefined || (ms > 0 && ms <= maxDurationMs)).toBe(true);
      }),
    );
  });
});
