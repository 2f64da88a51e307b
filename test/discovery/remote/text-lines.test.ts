import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextLines } from '../../../src/discovery/remote/text-lines.ts';

describe('TextLines', () => {
  it('gives the same lines wherever the stream is cut into chunks', () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ''));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        const ends = [...cuts.filter((cut) => cut <= bytes.length), bytes.length].sort((a, b) => a - b);
        const reader = new TextLines(1_000_000);
        let start = 0;
        const read = ends.flatMap((end) => {
          const chunk = bytes.subarray(start, end);
          start = end;
          return [...reader.take(chunk)];
        });
        expect(read).toEqual(lines.filter((text) => text !== ''));
        expect(reader.isCut).toBe(false);
      }),
    );
  });

  it('knows that a stream stopped within a line', () => {
    const reader = new TextLines(100);
    expect([...reader.take(Buffer.from('a\nb'))]).toEqual(['a']);
    expect(reader.isCut).toBe(true);
  });

  it('refuses a line that is too long, be it complete or not', () => {
    expect(() => [...new TextLines(3).take(Buffer.from('abcd'))]).toThrow('a line has more than 3 bytes');
    const reader = new TextLines(3);
    expect([...reader.take(Buffer.from('abc'))]).toEqual([]);
    expect(reader.isTooLong).toBe(false);
    expect(() => [...reader.take(Buffer.from('d\n'))]).toThrow('more than 3');
    expect(reader.isTooLong).toBe(true);
  });
});
